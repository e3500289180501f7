/* Faults at write-like calls of libc below one folder: fails the n-th of them, or kills the process there. Linux, LD_PRELOAD.
 *
 * Does nothing until faults_arm is called, so that a process may load it, start up, fork, and arm each child differently.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

/* As in lab.py. */
enum kind { WRITE = 1, SYNC = 2, RENAME = 4, UNLINK = 8, MAKE = 16 };
enum action { COUNT, FAIL, KILL, KILL_HALFWAY };

static char folder[PATH_MAX];
static size_t folder_length;
static int kinds, action, error_number, forever;
static long at;
static atomic_long count;

/* From now on the at-th call (from 1) of one of the kinds, on a path below the folder, meets the action. forever: those after it, too. */
void faults_arm(const char *path, int kinds_, long at_, int action_, int error_, int forever_)
{
    snprintf(folder, sizeof folder, "%s", path);
    kinds = kinds_, at = at_, action = action_, error_number = error_, forever = forever_;
    atomic_store(&count, 0);
    folder_length = strlen(folder);
}

/* Calls counted since faults_arm; ends the faults. */
long faults_disarm(void)
{
    folder_length = 0;
    return atomic_load(&count);
}

static void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

/* Whether the call fails; does not return where the process is killed. half: set when half of a write is to be done first. */
static int strikes(int kind, const char *path, int *half)
{
    if (!folder_length || !(kinds & kind) || strncmp(path, folder, folder_length))
        return 0;
    long number = atomic_fetch_add(&count, 1) + 1;
    if (number != at && !(forever && number > at))
        return 0;
    if (action == KILL || (action == KILL_HALFWAY && !half))
        die();
    if (half)
        *half = action == KILL_HALFWAY || (action == FAIL && forever && number == at && error_number == ENOSPC);
    if (half && *half)
        return 1;
    errno = error_number;
    return action == FAIL;
}

static int strikes_at(int kind, int parent, const char *path)
{
    char whole[2 * PATH_MAX], name[64];
    if (!folder_length)
        return 0;
    if (path[0] == '/')
        return strikes(kind, path, NULL);
    if (parent == AT_FDCWD)
        snprintf(name, sizeof name, "/proc/self/cwd");
    else
        snprintf(name, sizeof name, "/proc/self/fd/%d", parent);
    ssize_t length = readlink(name, whole, PATH_MAX);
    if (length < 0)
        return 0;
    snprintf(whole + length, sizeof whole - (size_t)length, "/%s", path);
    return strikes(kind, whole, NULL);
}

static int strikes_file(int kind, int file, int *half)
{
    char path[PATH_MAX], name[64];
    if (!folder_length)
        return 0;
    snprintf(name, sizeof name, "/proc/self/fd/%d", file);
    ssize_t length = readlink(name, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return strikes(kind, path, half);
}

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (!found)
        abort();
    return found;
}

/* A full disk takes what still fits: the first failing write is short, the next ones fail. */
#define WRITER(name, parameters, whole, short_, size)                                                                                      \
    ssize_t name parameters                                                                                                                \
    {                                                                                                                                      \
        int half = 0;                                                                                                                      \
        if (!strikes_file(WRITE, file, &half))                                                                                             \
            return REAL(name) whole;                                                                                                       \
        if (!half)                                                                                                                         \
            return -1;                                                                                                                     \
        if (size < 2 && action == FAIL) {                                                                                                  \
            errno = error_number;                                                                                                          \
            return -1;                                                                                                                     \
        }                                                                                                                                  \
        ssize_t written = REAL(name) short_;                                                                                               \
        if (action == KILL_HALFWAY)                                                                                                        \
            die();                                                                                                                         \
        return written;                                                                                                                    \
    }

WRITER(write, (int file, const void *data, size_t size), (file, data, size), (file, data, size / 2), size)
WRITER(pwrite, (int file, const void *data, size_t size, off_t to), (file, data, size, to), (file, data, size / 2, to), size)
WRITER(pwrite64, (int file, const void *data, size_t size, off64_t to), (file, data, size, to), (file, data, size / 2, to), size)
WRITER(writev, (int file, const struct iovec *parts, int n), (file, parts, n), (file, parts, n / 2), n)
WRITER(sendfile64, (int file, int from, off64_t *start, size_t size), (file, from, start, size), (file, from, start, size / 2), size)

#define ON_FILE(kind, name, parameters, arguments)                                                                                         \
    int name parameters                                                                                                                    \
    {                                                                                                                                      \
        return strikes_file(kind, file, NULL) ? -1 : REAL(name) arguments;                                                                 \
    }
#define ON_PATH(kind, name, parameters, arguments, parent)                                                                                 \
    int name parameters                                                                                                                    \
    {                                                                                                                                      \
        return strikes_at(kind, parent, path) ? -1 : REAL(name) arguments;                                                                 \
    }

ON_FILE(SYNC, fsync, (int file), (file))
ON_FILE(SYNC, fdatasync, (int file), (file))
ON_FILE(WRITE, ftruncate, (int file, off_t size), (file, size))
ON_FILE(WRITE, ftruncate64, (int file, off64_t size), (file, size))
ON_PATH(RENAME, rename, (const char *from, const char *path), (from, path), AT_FDCWD)
ON_PATH(RENAME, renameat, (int old, const char *from, int new, const char *path), (old, from, new, path), new)
ON_PATH(RENAME, link, (const char *from, const char *path), (from, path), AT_FDCWD)
ON_PATH(UNLINK, unlink, (const char *path), (path), AT_FDCWD)
ON_PATH(UNLINK, unlinkat, (int parent, const char *path, int flags), (parent, path, flags), parent)
ON_PATH(UNLINK, rmdir, (const char *path), (path), AT_FDCWD)
ON_PATH(MAKE, mkdir, (const char *path, mode_t mode), (path, mode), AT_FDCWD)
ON_PATH(MAKE, mkdirat, (int parent, const char *path, mode_t mode), (parent, path, mode), parent)

/* This one returns the error instead of setting errno. */
int posix_fallocate64(int file, off64_t start, off64_t size)
{
    return strikes_file(WRITE, file, NULL) ? errno : REAL(posix_fallocate64)(file, start, size);
}

#define OPENER(name, parameters, last, arguments, parent)                                                                                  \
    int name parameters                                                                                                                    \
    {                                                                                                                                      \
        mode_t mode = 0;                                                                                                                   \
        if (flags & (O_CREAT | O_TMPFILE)) {                                                                                               \
            va_list rest;                                                                                                                  \
            va_start(rest, last);                                                                                                          \
            mode = va_arg(rest, mode_t);                                                                                                   \
            va_end(rest);                                                                                                                  \
        }                                                                                                                                  \
        return (flags & O_CREAT) && strikes_at(MAKE, parent, path) ? -1 : REAL(name) arguments;                                            \
    }

OPENER(open, (const char *path, int flags, ...), flags, (path, flags, mode), AT_FDCWD)
OPENER(open64, (const char *path, int flags, ...), flags, (path, flags, mode), AT_FDCWD)
OPENER(openat, (int parent, const char *path, int flags, ...), flags, (parent, path, flags, mode), parent)
OPENER(openat64, (int parent, const char *path, int flags, ...), flags, (parent, path, flags, mode), parent)
