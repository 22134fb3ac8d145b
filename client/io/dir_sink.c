/*
 * The folder sink: one file a symbol, named by its key. A symbol is written to a file without a name, which then gets
 * its name in one step; file systems that cannot do that (NFS, some FUSE) get a temporary name and a rename. Everything
 * is relative to one descriptor, so the folder may be moved meanwhile.
 */
#include "common/memory.h"
#include "symwave/sink.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES_MAX  (64u << 20) /* the largest value that any node may hold */
#define PROBE_BYTES     4096
#define TEMPORARY_SIZE  (SW_KEY_BASE58_SIZE + 64)
#define TEMPORARY_TRIES 1000

struct sw_dir_sink {
    int fd;
    bool nameless; /* O_TMPFILE works here, and so does giving its file a name */
    _Atomic uint64_t temporaries;
    char path[]; /* for errors */
};

/* ---- errors ---- */

static enum sw_status folder_error(const char *path, int code, const char *doing, struct sw_error *error)
{
    if (code == ENOSPC || code == EDQUOT)
        return sw_error_set(error, SW_NO_SPACE,
                            "cannot write to the folder %s: %s; free some space or choose another folder, then run "
                            "again: what is there is kept",
                            path, strerror(code));
    return sw_error_set(error,
                        code == ENOENT   ? SW_NOT_FOUND
                        : code == ENOMEM ? SW_NO_MEMORY
                                         : SW_IO_ERROR,
                        "cannot %s the folder %s: %s%s", doing, path, strerror(code),
                        code == ENOENT ? "; its parent must exist" : "");
}

static enum sw_status file_error(const struct sw_dir_sink *sink, const char *name, int code, struct sw_error *error)
{
    if (code == ENOSPC || code == EDQUOT)
        return folder_error(sink->path, code, "write to", error);
    return sw_error_set(error, SW_IO_ERROR, "cannot write the file %s in the folder %s: %s", name, sink->path,
                        strerror(code));
}

/* ---- whole or nothing ---- */

/* Writes all of it. Returns 0 or an errno. */
static int write_all(int fd, const void *bytes, size_t count)
{
    const char *at = bytes;

    while (count > 0) {
        ssize_t written = write(fd, at, count);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return errno;
        at += written;
        count -= (size_t)written;
    }
    return 0;
}

static void temporary_name(struct sw_dir_sink *sink, const char *name, char temporary[TEMPORARY_SIZE])
{
    snprintf(temporary, TEMPORARY_SIZE, ".%s.tmp-%ld-%llu", name, (long)getpid(),
             (unsigned long long)atomic_fetch_add(&sink->temporaries, 1));
}

/* Gives a nameless file a name that must be free. Returns 0 or an errno. */
static int give_name(const struct sw_dir_sink *sink, int fd, const char *name)
{
    char self[64];

    /* The way of open(2): naming the descriptor itself, with AT_EMPTY_PATH, takes a capability on most kernels. */
    snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, self, sink->fd, name, AT_SYMLINK_FOLLOW) == 0 ? 0 : errno;
}

/* Gives a nameless file a temporary name. Returns 0 or an errno. */
static int give_temporary_name(struct sw_dir_sink *sink, int fd, const char *name, char temporary[TEMPORARY_SIZE])
{
    int code = EEXIST;

    /* A name may be taken by what a process that crashed has left. */
    for (int i = 0; i < TEMPORARY_TRIES && code == EEXIST; i++) {
        temporary_name(sink, name, temporary);
        code = give_name(sink, fd, temporary);
    }
    return code;
}

/* Opens a file under a temporary name. Returns the descriptor or -1, with errno. */
static int open_temporary(struct sw_dir_sink *sink, const char *name, char temporary[TEMPORARY_SIZE])
{
    int fd = -1;

    errno = EEXIST;
    for (int i = 0; i < TEMPORARY_TRIES && fd < 0 && errno == EEXIST; i++) {
        temporary_name(sink, name, temporary);
        fd = openat(sink->fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    }
    return fd;
}

/* Puts a file in its place, over a bad one if there is one. Returns 0 or an errno. */
static int put_file(struct sw_dir_sink *sink, const char *name, const void *bytes, size_t count)
{
    char temporary[TEMPORARY_SIZE] = "";
    int code = 0;
    int fd = sink->nameless ? openat(sink->fd, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0666)
                            : open_temporary(sink, name, temporary);
    if (fd < 0)
        return errno;
    code = write_all(fd, bytes, count);
    if (code == 0 && sink->nameless) {
        code = give_name(sink, fd, name);
        if (code == EEXIST)
            code = give_temporary_name(sink, fd, name, temporary);
        if (code != 0)
            temporary[0] = '\0';
    }
    /* A network file system may say only now that it had no room. */
    if (close(fd) != 0 && code == 0 && errno != EINTR)
        code = errno;
    /* The rename swaps files: a reader sees the old one or the new one, never none. */
    if (code == 0 && temporary[0] != '\0' && renameat(sink->fd, temporary, sink->fd, name) != 0)
        code = errno;
    if (code != 0 && temporary[0] != '\0')
        unlinkat(sink->fd, temporary, 0);
    return code;
}

/* ---- reading ---- */

/* Room for a file's bytes, kept from one to the next. */
struct buffer {
    uint8_t *bytes;
    size_t capacity;
    size_t count;
};

static bool buffer_reserve(struct buffer *buffer, size_t bytes)
{
    if (bytes <= buffer->capacity)
        return true;
    uint8_t *grown = sw_realloc(buffer->bytes, bytes);
    if (!grown)
        return false;
    buffer->bytes = grown;
    buffer->capacity = bytes;
    return true;
}

/*
 * Reads a file. Returns 0 or an errno: ENOENT too where it is not one that could be a symbol (a folder, a pipe, empty,
 * too large).
 */
static int read_file(const struct sw_dir_sink *sink, const char *name, struct buffer *buffer)
{
    struct stat facts;
    int code = 0;
    /* O_NONBLOCK: a pipe of that name must not make anybody wait. */
    int fd = openat(sink->fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return errno;
    buffer->count = 0;
    if (fstat(fd, &facts) != 0)
        code = errno;
    else if (!S_ISREG(facts.st_mode) || facts.st_size <= 0 || facts.st_size > (off_t)FILE_BYTES_MAX)
        code = ENOENT;
    else if (!buffer_reserve(buffer, (size_t)facts.st_size))
        code = ENOMEM;
    while (code == 0 && buffer->count < (size_t)facts.st_size) {
        ssize_t count = read(fd, buffer->bytes + buffer->count, (size_t)facts.st_size - buffer->count);
        if (count == 0)
            break;
        if (count > 0)
            buffer->count += (size_t)count;
        else if (errno != EINTR)
            code = errno;
    }
    close(fd);
    return code;
}

/* ---- as sink and as local store ---- */

/* Whether the folder has exactly this value already. */
static bool has_value(const struct sw_dir_sink *sink, const char *name, const struct sw_symbol *symbol)
{
    struct buffer buffer = {NULL, 0, 0};
    bool same = read_file(sink, name, &buffer) == 0 && buffer.count == symbol->value_bytes &&
                memcmp(buffer.bytes, symbol->value, symbol->value_bytes) == 0;

    sw_free(buffer.bytes);
    return same;
}

static enum sw_status take(const struct sw_symbol *symbol, struct sw_error *error, void *user_data)
{
    struct sw_dir_sink *sink = user_data;
    char name[SW_KEY_BASE58_SIZE];

    sw_key_to_base58(symbol->key, name);
    /* What comes from the local store is likely this very file; but that store may be another one. */
    if (!symbol->node_id && has_value(sink, name, symbol))
        return SW_OK;
    int code = put_file(sink, name, symbol->value, symbol->value_bytes);
    return code == 0 ? SW_OK : file_error(sink, name, code, error);
}

static enum sw_status get_batch(const struct sw_key *keys, size_t key_count,
                                bool (*found)(size_t index, const void *value, size_t value_bytes, void *found_data),
                                void *found_data, struct sw_error *error, void *user_data)
{
    const struct sw_dir_sink *sink = user_data;
    struct buffer buffer = {NULL, 0, 0};
    enum sw_status status = SW_OK;
    char name[SW_KEY_BASE58_SIZE];
    bool go_on = true;

    for (size_t i = 0; i < key_count && go_on; i++) {
        sw_key_to_base58(&keys[i], name);
        int code = read_file(sink, name, &buffer);
        if (code == 0 && buffer.count > 0)
            go_on = found(i, buffer.bytes, buffer.count, found_data);
        /* One bad file does not stand for the folder: the first is told, the others are looked at nevertheless. */
        else if (code != 0 && code != ENOENT && status == SW_OK)
            status = sw_error_set(error, code == ENOMEM ? SW_NO_MEMORY : SW_IO_ERROR,
                                  "cannot read the file %s in the folder %s: %s", name, sink->path, strerror(code));
    }
    sw_free(buffer.bytes);
    return status;
}

struct sw_sink sw_dir_sink_as_sink(struct sw_dir_sink *sink)
{
    return (struct sw_sink){.take = take, .user_data = sink};
}

struct sw_local_store sw_dir_sink_as_local_store(struct sw_dir_sink *sink)
{
    return (struct sw_local_store){.get_batch = get_batch, .user_data = sink};
}

/* ---- opening ---- */

/*
 * Finds out whether the folder can be written, by writing, and in which way. A full disk often lets a file be made and
 * refuses its first byte. Returns 0 or an errno.
 */
static int probe(struct sw_dir_sink *sink)
{
    static const char bytes[PROBE_BYTES];
    char temporary[TEMPORARY_SIZE];
    int fd = openat(sink->fd, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0666);

    if (fd >= 0) {
        int code = write_all(fd, bytes, sizeof(bytes));
        sink->nameless = code == 0 && give_temporary_name(sink, fd, "probe", temporary) == 0;
        if (sink->nameless)
            unlinkat(sink->fd, temporary, 0);
        close(fd);
        if (code != 0 || sink->nameless)
            return code;
    }
    fd = open_temporary(sink, "probe", temporary);
    if (fd < 0)
        return errno;
    int code = write_all(fd, bytes, sizeof(bytes));
    if (close(fd) != 0 && code == 0 && errno != EINTR)
        code = errno;
    unlinkat(sink->fd, temporary, 0);
    return code;
}

enum sw_status sw_dir_sink_open(const char *path, struct sw_dir_sink **sink, struct sw_error *error)
{
    size_t path_size = strlen(path) + 1;
    struct sw_dir_sink *opened = sw_calloc(1, sizeof(*opened) + path_size);

    *sink = NULL;
    if (!opened)
        return sw_error_set(error, SW_NO_MEMORY, "no memory to open the folder %s", path);
    memcpy(opened->path, path, path_size);
    if (mkdir(path, 0777) != 0 && errno != EEXIST) {
        int code = errno;
        /* A folder that is there may still say EROFS or EACCES; then the probe has the last word. */
        struct stat facts;
        if (stat(path, &facts) != 0) {
            sw_free(opened);
            return folder_error(path, code, "make", error);
        }
    }
    opened->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (opened->fd < 0) {
        int code = errno;
        sw_free(opened);
        return folder_error(path, code, "open", error);
    }
    int code = probe(opened);
    if (code != 0) {
        sw_dir_sink_close(opened);
        return folder_error(path, code, "write to", error);
    }
    *sink = opened;
    return SW_OK;
}

void sw_dir_sink_close(struct sw_dir_sink *sink)
{
    if (!sink)
        return;
    close(sink->fd);
    sw_free(sink);
}
