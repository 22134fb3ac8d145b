#include "fault_power.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BYTES 0

/* A file whose bytes are not all synced. */
struct file {
    dev_t device;
    ino_t inode;
    int fd; /* ours, to read and write */
};

struct undo {
    int what; /* BYTES, or an enum power_name */
    struct undo *before;
    /* BYTES: of a file, from an offset on; its size was this before */
    struct file *file;
    off_t offset, size;
    size_t bytes_count;
    char *bytes;
    /* the names: MOVED has that which it had before too; kept is what was there */
    char *path, *from, *kept;
};

static struct undo *undos; /* the latest first */
static uint64_t kept_count;

static void *must(void *pointer)
{
    if (!pointer)
        abort();
    return pointer;
}

static struct undo *remember(int what)
{
    struct undo *undo = must(calloc(1, sizeof(*undo)));
    undo->what = what;
    undo->before = undos;
    undos = undo;
    return undo;
}

static void forget(struct undo *undo)
{
    free(undo->bytes);
    free(undo->path);
    free(undo->from);
    free(undo->kept);
    free(undo);
}

/* The file of a descriptor, opened anew if it is not known. */
static struct file *file_of(int fd)
{
    static struct file files[4096];
    static size_t file_count;
    struct stat status;
    char self[64];
    if (fstat(fd, &status) != 0)
        abort();
    for (size_t i = 0; i < file_count; i++)
        if (files[i].device == status.st_dev && files[i].inode == status.st_ino)
            return &files[i];
    if (file_count == sizeof(files) / sizeof(*files))
        abort();
    struct file *file = &files[file_count++];
    snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    *file = (struct file){status.st_dev, status.st_ino, REAL(open)(self, O_RDWR | O_CLOEXEC)};
    return file;
}

void power_remember_bytes(int fd, off_t offset, size_t bytes_count)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return;
    struct undo *undo = remember(BYTES);
    undo->file = file_of(fd);
    undo->offset = offset;
    undo->size = status.st_size;
    if (offset < status.st_size) {
        undo->bytes = must(malloc(bytes_count + 1));
        ssize_t got = REAL(pread)(undo->file->fd, undo->bytes, bytes_count, offset);
        undo->bytes_count = got > 0 ? (size_t)got : 0;
    }
}

static char *keep_name(const char *path, const char *keep)
{
    char kept[PATH_MAX];
    if (!keep)
        return NULL;
    snprintf(kept, sizeof(kept), "%s/%" PRIu64, keep, kept_count++);
    return REAL(link)(path, kept) == 0 ? must(strdup(kept)) : NULL;
}

void power_remember_name(enum power_name what, const char *path, const char *from, const char *keep)
{
    struct undo *undo = remember((int)what);
    undo->path = must(strdup(path));
    undo->from = from ? must(strdup(from)) : NULL;
    undo->kept = what == POWER_NAME_MADE ? NULL : keep_name(path, keep);
}

static bool lies_in(const char *path, const char *folder)
{
    const char *end = strrchr(path, '/');
    return end && strlen(folder) == (size_t)(end - path) && memcmp(path, folder, (size_t)(end - path)) == 0;
}

void power_synced(int fd, const char *path)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return;
    for (struct undo **at_undo = &undos, *undo; (undo = *at_undo);) {
        bool done = undo->what == BYTES ? undo->file->device == status.st_dev && undo->file->inode == status.st_ino
                                        : S_ISDIR(status.st_mode) && lies_in(undo->path, path);
        if (done) {
            *at_undo = undo->before;
            forget(undo);
        } else {
            at_undo = &undo->before;
        }
    }
}

void power_synced_all(void)
{
    while (undos) {
        struct undo *undo = undos;
        undos = undo->before;
        forget(undo);
    }
}

void power_lost(void)
{
    for (const struct undo *undo = undos; undo; undo = undo->before) {
        bool failed = false;
        switch (undo->what) {
        case BYTES:
            if (undo->bytes_count > 0)
                failed = REAL(pwrite)(undo->file->fd, undo->bytes, undo->bytes_count, undo->offset) < 0;
            failed |= REAL(ftruncate)(undo->file->fd, undo->size) != 0;
            break;
        case POWER_NAME_MADE:
            if (REAL(unlink)(undo->path) != 0 && errno == EISDIR)
                rmdir(undo->path);
            break;
        case POWER_NAME_MOVED:
            REAL(rename)(undo->path, undo->from);
            /* fall through */
        case POWER_NAME_TAKEN:
            if (undo->kept)
                REAL(link)(undo->kept, undo->path);
            break;
        }
        if (failed)
            fprintf(stderr, "fault library: cannot undo: %s\n", strerror(errno));
    }
}
