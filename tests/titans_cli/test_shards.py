import torch

from titans_cli.store import Shard, keep_shard, pack_shard, read_shard


def test_equal_shards_have_equal_names_and_come_back(tmp_path):
    shard = Shard(
        weights=torch.randint(0, 256, (24, 6), dtype=torch.uint8),
        rows=torch.tensor([8, 16], dtype=torch.uint8),
        scales=torch.ones(2, dtype=torch.float16),
        pages=torch.tensor([1, 2], dtype=torch.int32),
        checksums=torch.zeros(2, 8, dtype=torch.uint8),
        sentences=torch.tensor([3, 4, 5], dtype=torch.int16),
        owners=torch.tensor([0, 1, 1], dtype=torch.int32),
        gists=torch.zeros(3, 6, dtype=torch.int8),
        gist_scales=torch.ones(3, dtype=torch.float16),
        gist_words=torch.zeros(3, 7, dtype=torch.int64),
    )
    packed = {pack_shard(shard, "fingerprint") for _ in range(40)}
    digests = {digest for digest, _ in packed}
    for digest, data in packed:
        keep_shard(tmp_path / "0", digest, data)
    assert len(digests) == 1
    again = read_shard(tmp_path / "0", digests.pop())
    assert torch.equal(again.weights, shard.weights)
    assert again.memories == 2
