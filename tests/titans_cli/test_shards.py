import numpy as np

from titans_cli.store import Shard, keep_shard, pack_shard, read_shard


def test_equal_shards_have_equal_names_and_come_back(tmp_path):
    shard = Shard(
        weights=np.random.default_rng(0).integers(0, 256, (24, 6), np.uint8),
        rows=np.array([8, 16], np.uint8),
        scales=np.ones(2, np.float16),
        pages=np.array([1, 2], np.int32),
        checksums=np.zeros((2, 8), np.uint8),
        sentences=np.array([3, 4, 5], np.int16),
        owners=np.array([0, 1, 1], np.int32),
        gists=np.zeros((3, 6), np.int8),
        gist_scales=np.ones(3, np.float16),
        gist_words=np.zeros((3, 7), np.int64),
    )
    packed = {pack_shard(shard, "fingerprint") for _ in range(40)}
    digests = {digest for digest, _ in packed}
    for digest, data in packed:
        keep_shard(tmp_path / "0", digest, data)
    assert len(digests) == 1
    again = read_shard(tmp_path / "0", digests.pop())
    assert np.array_equal(again.weights, shard.weights)
    assert again.memories == 2
