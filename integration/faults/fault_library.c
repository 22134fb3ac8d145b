/*
 * What can go wrong between a program and its disk or its clock, for tests of the whole program: preloaded with
 * LD_PRELOAD, it counts what the program does to its files, and at one of them kills the program, takes the power away,
 * or fails.
 *
 *     SYMWAVE_FAULT_UNDER=FOLDER   only files below it are looked at; without it, none are
 *     SYMWAVE_FAULT_ON=KINDS       of write, size, sync, name, read, with commas between; default all but read
 *     SYMWAVE_FAULT_LOG=FILE       a line for each operation that is counted: its number, its kind, what it is done to
 *     SYMWAVE_FAULT_AT=N           the operation, from 1, at which it happens; "end": when the process ends by itself
 *     SYMWAVE_FAULT_DO=WHAT        kill: the process is killed before the operation
 *                                  torn: the same, but the first half of what was to be written is written
 *                                  power: the same as kill, and all that was not synced is undone: bytes by fsync or
 *                                    fdatasync of the file, names by fsync of the folder
 *                                  power-bytes: the same, but for names: a file may be there, and be empty
 *                                  eio, enospc: the operation fails with this, and so do all after it
 *     SYMWAVE_FAULT_TIMES=N        ... or just so many
 *     SYMWAVE_FAULT_KEEP=FOLDER    for power, on the same file system: where names that were taken away are kept
 *     SYMWAVE_FAULT_CLOCK=FILE     a file with a 64-bit integer: seconds by which the wall clock is wrong, at any time
 *
 * What the C library does by itself (stdio) is not seen.
 */
#include "fault_power.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* ---- what is asked for ---- */

enum kind {
    WRITE = 1,
    SIZE = 2,
    SYNC = 4,
    NAME = 8,
    READ = 16
};
static const char *const kind_names[] = {"write", "size", "sync", "name", "read"};

enum deed {
    NOTHING,
    KILL,
    TORN,
    POWER,
    POWER_BYTES,
    FAIL
};

static char under[PATH_MAX];
static size_t under_bytes;
static unsigned kinds = WRITE | SIZE | SYNC | NAME;
static uint64_t at, times = UINT64_MAX;
static bool at_end;
static enum deed deed;
static int fail_errno;
static const char *keep;
static int log_fd = -1;
static const volatile int64_t *clock_seconds;

/* Recursive, since what the real functions call may come here again. */
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static uint64_t count;

static unsigned kinds_of(const char *text)
{
    unsigned wanted = 0;
    for (size_t i = 0; i < sizeof(kind_names) / sizeof(*kind_names); i++)
        wanted |= strstr(text, kind_names[i]) ? 1u << i : 0;
    return wanted;
}

__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("SYMWAVE_FAULT_UNDER");
    if (text && realpath(text, under))
        under_bytes = strlen(under);
    if ((text = getenv("SYMWAVE_FAULT_ON")))
        kinds = kinds_of(text);
    if ((text = getenv("SYMWAVE_FAULT_AT")))
        at_end = strcmp(text, "end") == 0, at = strtoull(text, NULL, 10);
    if ((text = getenv("SYMWAVE_FAULT_TIMES")))
        times = strtoull(text, NULL, 10);
    keep = getenv("SYMWAVE_FAULT_KEEP");
    if ((text = getenv("SYMWAVE_FAULT_DO"))) {
        deed = strcmp(text, "kill") == 0          ? KILL
               : strcmp(text, "torn") == 0        ? TORN
               : strcmp(text, "power") == 0       ? POWER
               : strcmp(text, "power-bytes") == 0 ? POWER_BYTES
                                                  : FAIL;
        fail_errno = strcmp(text, "enospc") == 0 ? ENOSPC : EIO;
    }
    if ((text = getenv("SYMWAVE_FAULT_LOG")))
        log_fd = REAL(open)(text, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if ((text = getenv("SYMWAVE_FAULT_CLOCK"))) {
        int fd = REAL(open)(text, O_RDONLY | O_CLOEXEC);
        void *mapped = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
        if (mapped == MAP_FAILED) {
            fprintf(stderr, "fault library: no clock in %s\n", text);
            abort();
        }
        clock_seconds = mapped;
        close(fd);
    }
}

static bool takes_power(void)
{
    return deed == POWER || deed == POWER_BYTES;
}

/* What would be undone: names only with POWER, and nothing where no power goes. */
static void remember_bytes(int fd, off_t offset, size_t bytes_count)
{
    if (takes_power())
        power_remember_bytes(fd, offset, bytes_count);
}

static void remember_name(enum power_name what, const char *path, const char *from)
{
    if (deed == POWER)
        power_remember_name(what, path, from, keep);
}

static void synced(int fd, const char *path)
{
    if (takes_power())
        power_synced(fd, path);
}

/* ---- the operation that is counted ---- */

static _Noreturn void die(void)
{
    if (takes_power())
        power_lost();
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

__attribute__((destructor)) static void end(void)
{
    pthread_mutex_lock(&lock);
    if (at_end && takes_power())
        power_lost();
    pthread_mutex_unlock(&lock);
}

static bool path_counts(const char *path)
{
    return under_bytes > 0 && strncmp(path, under, under_bytes) == 0 &&
           (path[under_bytes] == '/' || path[under_bytes] == '\0');
}

/* The name of a regular file or a folder below "under"; false for any other descriptor. */
static bool descriptor_counts(int fd, char *path)
{
    struct stat status;
    char self[64];
    if (under_bytes == 0 || fstat(fd, &status) != 0 || (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)))
        return false;
    snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    ssize_t bytes = readlink(self, path, PATH_MAX - 1);
    if (bytes < 0)
        return false;
    path[bytes] = '\0';
    return path_counts(path);
}

/* The whole name of what a call names; its folder must be there. */
static bool name_counts(int folder, const char *name, char *path)
{
    char whole[PATH_MAX], resolved[PATH_MAX];
    if (under_bytes == 0)
        return false;
    if (name[0] == '/' || folder == AT_FDCWD) {
        snprintf(whole, sizeof(whole), "%s", name);
    } else {
        char self[64], base[PATH_MAX];
        snprintf(self, sizeof(self), "/proc/self/fd/%d", folder);
        ssize_t bytes = readlink(self, base, sizeof(base) - 1);
        if (bytes < 0)
            return false;
        base[bytes] = '\0';
        if (snprintf(whole, sizeof(whole), "%s/%s", base, name) >= PATH_MAX)
            return false;
    }
    char *last = strrchr(whole, '/');
    const char *parent = last == whole ? "/" : last ? whole : ".";
    if (last)
        *last = '\0';
    if (!realpath(parent, resolved) || snprintf(path, PATH_MAX, "%s/%s", resolved, last ? last + 1 : whole) >= PATH_MAX)
        return false;
    return path_counts(path);
}

/* Under the lock. 0: go on. Else the errno to fail with. *torn: half of it first, then die(). */
static int counted(enum kind kind, const char *path, bool *torn)
{
    if (torn)
        *torn = false;
    if (!(kinds & kind))
        return 0;
    count++;
    if (log_fd >= 0)
        dprintf(log_fd, "%" PRIu64 " %s %s\n", count, kind_names[__builtin_ctz(kind)], path + under_bytes);
    if (at == 0 || count < at)
        return 0;
    switch (deed) {
    case KILL:
    case POWER:
    case POWER_BYTES:
        die();
    case TORN:
        if (kind == WRITE && torn)
            *torn = true;
        else
            die();
        return 0;
    case FAIL:
        return count - at < times ? fail_errno : 0;
    default:
        return 0;
    }
}

/* ---- bytes ---- */

static ssize_t write_at(int fd, const struct iovec *parts, int parts_count, off_t offset)
{
    char path[PATH_MAX];
    bool torn;
    ssize_t written;
    if (!descriptor_counts(fd, path))
        return offset < 0 ? REAL(writev)(fd, parts, parts_count) : REAL(pwritev)(fd, parts, parts_count, offset);
    pthread_mutex_lock(&lock);
    int code = counted(WRITE, path, &torn);
    if (code != 0) {
        written = -1;
    } else {
        struct stat status;
        size_t bytes_count = 0;
        for (int i = 0; i < parts_count; i++)
            bytes_count += parts[i].iov_len;
        off_t from = offset;
        if (from < 0 && fstat(fd, &status) == 0)
            from = (REAL(fcntl)(fd, F_GETFL) & O_APPEND) ? status.st_size : lseek(fd, 0, SEEK_CUR);
        remember_bytes(fd, from, bytes_count);
        if (torn) {
            char *half = malloc(bytes_count + 1);
            if (!half)
                abort();
            size_t have = 0;
            for (int i = 0; i < parts_count; have += parts[i++].iov_len)
                memcpy(half + have, parts[i].iov_base, parts[i].iov_len);
            written = REAL(pwrite)(fd, half, bytes_count / 2, from);
            die();
        }
        written = offset < 0 ? REAL(writev)(fd, parts, parts_count) : REAL(pwritev)(fd, parts, parts_count, offset);
        code = errno;
    }
    pthread_mutex_unlock(&lock);
    errno = code;
    return written;
}

EXPORT ssize_t write(int fd, const void *bytes, size_t bytes_count)
{
    struct iovec part = {(void *)bytes, bytes_count};
    return write_at(fd, &part, 1, -1);
}

EXPORT ssize_t writev(int fd, const struct iovec *parts, int parts_count)
{
    return write_at(fd, parts, parts_count, -1);
}

EXPORT ssize_t pwrite(int fd, const void *bytes, size_t bytes_count, off_t offset)
{
    struct iovec part = {(void *)bytes, bytes_count};
    return write_at(fd, &part, 1, offset);
}

EXPORT ssize_t pwrite64(int fd, const void *bytes, size_t bytes_count, off64_t offset)
{
    return pwrite(fd, bytes, bytes_count, offset);
}

EXPORT ssize_t pwritev(int fd, const struct iovec *parts, int parts_count, off_t offset)
{
    return write_at(fd, parts, parts_count, offset);
}

EXPORT ssize_t pwritev64(int fd, const struct iovec *parts, int parts_count, off64_t offset)
{
    return write_at(fd, parts, parts_count, offset);
}

/* Counts an operation on a descriptor. The errno to fail with, or 0; *locked: the lock is held until done(). */
static int begin_on(enum kind kind, int fd, char *path, bool *locked)
{
    *locked = descriptor_counts(fd, path);
    if (!*locked)
        return 0;
    pthread_mutex_lock(&lock);
    return counted(kind, path, NULL);
}

/* Ends it: the result, with its errno. */
static int done(bool locked, int result)
{
    int code = errno;
    if (locked)
        pthread_mutex_unlock(&lock);
    errno = code;
    return result;
}

static int fails(int code)
{
    errno = code;
    return -1;
}

EXPORT ssize_t pread(int fd, void *bytes, size_t bytes_count, off_t offset)
{
    char path[PATH_MAX];
    bool locked = false;
    int code = kinds & READ ? begin_on(READ, fd, path, &locked) : 0;
    done(locked, 0);
    return code ? fails(code) : REAL(pread)(fd, bytes, bytes_count, offset);
}

EXPORT ssize_t pread64(int fd, void *bytes, size_t bytes_count, off64_t offset)
{
    return pread(fd, bytes, bytes_count, offset);
}

EXPORT ssize_t read(int fd, void *bytes, size_t bytes_count)
{
    char path[PATH_MAX];
    bool locked = false;
    int code = kinds & READ ? begin_on(READ, fd, path, &locked) : 0;
    done(locked, 0);
    return code ? fails(code) : REAL(read)(fd, bytes, bytes_count);
}

/* A write as any other; where it does not say where it writes, it is at the descriptor's place. */
EXPORT ssize_t copy_file_range(int from, off64_t *from_offset, int to, off64_t *to_offset, size_t bytes_count,
                               unsigned flags)
{
    char path[PATH_MAX];
    bool locked;
    int code = begin_on(WRITE, to, path, &locked);
    if (code == 0 && locked)
        remember_bytes(to, to_offset ? *to_offset : lseek(to, 0, SEEK_CUR), bytes_count);
    ssize_t copied = code ? fails(code) : REAL(copy_file_range)(from, from_offset, to, to_offset, bytes_count, flags);
    done(locked, 0);
    return copied;
}

EXPORT int ftruncate(int fd, off_t size)
{
    char path[PATH_MAX];
    bool locked;
    struct stat status;
    int code = begin_on(SIZE, fd, path, &locked);
    if (code == 0 && locked && fstat(fd, &status) == 0)
        remember_bytes(fd, size, size < status.st_size ? (size_t)(status.st_size - size) : 0);
    return done(locked, code ? fails(code) : REAL(ftruncate)(fd, size));
}

EXPORT int ftruncate64(int fd, off64_t size)
{
    return ftruncate(fd, size);
}

EXPORT int fallocate(int fd, int mode, off_t offset, off_t bytes_count)
{
    char path[PATH_MAX];
    bool locked;
    int code = begin_on(SIZE, fd, path, &locked);
    if (code == 0 && locked)
        remember_bytes(fd, offset, (size_t)bytes_count);
    return done(locked, code ? fails(code) : REAL(fallocate)(fd, mode, offset, bytes_count));
}

EXPORT int fallocate64(int fd, int mode, off64_t offset, off64_t bytes_count)
{
    return fallocate(fd, mode, offset, bytes_count);
}

static int sync_with(int (*real)(int), int fd)
{
    char path[PATH_MAX];
    bool locked;
    int code = begin_on(SYNC, fd, path, &locked);
    int result = code ? fails(code) : real(fd);
    if (result == 0 && locked)
        synced(fd, path);
    return done(locked, result);
}

EXPORT int fsync(int fd)
{
    return sync_with(REAL(fsync), fd);
}

EXPORT int fdatasync(int fd)
{
    return sync_with(REAL(fdatasync), fd);
}

EXPORT int syncfs(int fd)
{
    char path[PATH_MAX];
    bool locked;
    int code = begin_on(SYNC, fd, path, &locked);
    int result = code ? fails(code) : REAL(syncfs)(fd);
    if (result == 0 && locked)
        power_synced_all();
    return done(locked, result);
}

/* It promises nothing about what power takes away. Without flags it only asks whether there is such a call. */
EXPORT int sync_file_range(int fd, off64_t offset, off64_t bytes_count, unsigned flags)
{
    char path[PATH_MAX];
    bool locked = false;
    int code = flags ? begin_on(SYNC, fd, path, &locked) : 0;
    return done(locked, code ? fails(code) : REAL(sync_file_range)(fd, offset, bytes_count, flags));
}

/* ---- names ---- */

/* Counts an operation on a name, as begin_on does. */
static int begin_name(int folder, const char *name, char *path, bool *locked)
{
    *locked = name_counts(folder, name, path);
    if (!*locked)
        return 0;
    pthread_mutex_lock(&lock);
    return counted(NAME, path, NULL);
}

static int open_in(int folder, const char *name, int flags, mode_t mode)
{
    char path[PATH_MAX];
    bool locked = false;
    int code = 0;
    bool makes = (flags & O_CREAT) && faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0;
    if (makes)
        code = begin_name(folder, name, path, &locked);
    int fd = code ? fails(code) : REAL(openat)(folder, name, flags, mode);
    if (fd >= 0 && locked)
        remember_name(POWER_NAME_MADE, path, NULL);
    return done(locked, fd);
}

#define MODE_OF(flags, last)                                                                                           \
    ({                                                                                                                 \
        mode_t mode_ = 0;                                                                                              \
        if ((flags) & (O_CREAT | __O_TMPFILE)) {                                                                       \
            va_list rest_;                                                                                             \
            va_start(rest_, last);                                                                                     \
            mode_ = va_arg(rest_, mode_t);                                                                             \
            va_end(rest_);                                                                                             \
        }                                                                                                              \
        mode_;                                                                                                         \
    })

EXPORT int open(const char *path, int flags, ...)
{
    return open_in(AT_FDCWD, path, flags, MODE_OF(flags, flags));
}

EXPORT int open64(const char *path, int flags, ...)
{
    return open_in(AT_FDCWD, path, flags, MODE_OF(flags, flags));
}

EXPORT int openat(int folder, const char *name, int flags, ...)
{
    return open_in(folder, name, flags, MODE_OF(flags, flags));
}

EXPORT int openat64(int folder, const char *name, int flags, ...)
{
    return open_in(folder, name, flags, MODE_OF(flags, flags));
}

EXPORT int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    char path[PATH_MAX], from_path[PATH_MAX];
    bool locked;
    int code = begin_name(to_folder, to, path, &locked);
    if (code == 0 && locked && name_counts(from_folder, from, from_path))
        remember_name(POWER_NAME_MOVED, path, from_path);
    return done(locked, code ? fails(code) : REAL(renameat)(from_folder, from, to_folder, to));
}

EXPORT int rename(const char *from, const char *to)
{
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

EXPORT int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags)
{
    char path[PATH_MAX];
    bool locked;
    int code = begin_name(to_folder, to, path, &locked);
    int result = code ? fails(code) : REAL(linkat)(from_folder, from, to_folder, to, flags);
    if (result == 0 && locked)
        remember_name(POWER_NAME_MADE, path, NULL);
    return done(locked, result);
}

EXPORT int link(const char *from, const char *to)
{
    return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

EXPORT int unlinkat(int folder, const char *name, int flags)
{
    char path[PATH_MAX];
    bool locked;
    int code = begin_name(folder, name, path, &locked);
    if (code == 0 && locked && !(flags & AT_REMOVEDIR))
        remember_name(POWER_NAME_TAKEN, path, NULL);
    return done(locked, code ? fails(code) : REAL(unlinkat)(folder, name, flags));
}

EXPORT int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

EXPORT int mkdir(const char *name, mode_t mode)
{
    char path[PATH_MAX];
    bool locked;
    int code = begin_name(AT_FDCWD, name, path, &locked);
    int result = code ? fails(code) : REAL(mkdir)(name, mode);
    if (result == 0 && locked)
        remember_name(POWER_NAME_MADE, path, NULL);
    return done(locked, result);
}

/* ---- the wall clock ---- */

EXPORT int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = REAL(clock_gettime)(clock, now);
    if (result == 0 && clock_seconds && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += *clock_seconds;
    return result;
}

EXPORT int gettimeofday(struct timeval *now, void *zone)
{
    struct timespec exact;
    (void)zone;
    int result = clock_gettime(CLOCK_REALTIME, &exact);
    *now = (struct timeval){exact.tv_sec, exact.tv_nsec / 1000};
    return result;
}

EXPORT time_t time(time_t *now)
{
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (now)
        *now = exact.tv_sec;
    return exact.tv_sec;
}
