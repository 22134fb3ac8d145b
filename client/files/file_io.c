#include "client/files/file_io.h"
#include "common/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum sw_status sw_file_error(struct sw_error *error, const char *doing, const char *path, int code)
{
    if (code == ENOSPC || code == EDQUOT)
        return sw_error_set(error, SW_NO_SPACE, "cannot %s %s: %s; free some space, then run this again", doing, path,
                            strerror(code));
    return sw_error_set(error,
                        code == ENOENT   ? SW_NOT_FOUND
                        : code == ENOMEM ? SW_NO_MEMORY
                                         : SW_IO_ERROR,
                        "cannot %s %s: %s", doing, path, strerror(code));
}

enum sw_status sw_file_read(int fd, const char *path, void *bytes, size_t count, uint64_t offset,
                            struct sw_error *error)
{
    char *at = bytes;

    while (count > 0) {
        ssize_t part = pread(fd, at, count, (off_t)offset);
        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0)
            return sw_file_error(error, "read", path, errno);
        if (part == 0)
            return sw_error_set(error, SW_IO_ERROR, "cannot read %s: it ends at byte %llu, too soon; did it shrink?",
                                path, (unsigned long long)offset);
        at += part;
        offset += (uint64_t)part;
        count -= (size_t)part;
    }
    return SW_OK;
}

enum sw_status sw_file_write(int fd, const char *path, const void *bytes, size_t count, uint64_t offset,
                             struct sw_error *error)
{
    const char *at = bytes;

    while (count > 0) {
        ssize_t part = pwrite(fd, at, count, (off_t)offset);
        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0)
            return sw_file_error(error, "write", path, errno);
        at += part;
        offset += (uint64_t)part;
        count -= (size_t)part;
    }
    return SW_OK;
}

enum sw_status sw_file_extend(int fd, const char *path, uint64_t bytes, struct sw_error *error)
{
    int code;

    /* Not posix_fallocate: where the file system cannot reserve, that writes to every block. */
    do
        code = fallocate(fd, 0, 0, (off_t)bytes) == 0 ? 0 : errno;
    while (code == EINTR);
    if (code == EOPNOTSUPP || code == ENOSYS)
        code = ftruncate(fd, (off_t)bytes) == 0 ? 0 : errno;
    return code == 0 ? SW_OK : sw_file_error(error, "write", path, code);
}

enum sw_status sw_file_open(const char *path, int *fd, uint64_t *bytes, struct sw_error *error)
{
    struct stat facts;

    /* O_NONBLOCK: a pipe must not make anybody wait. */
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (*fd < 0)
        return sw_file_error(error, "open", path, errno);
    enum sw_status status = SW_OK;
    if (fstat(*fd, &facts) != 0)
        status = sw_file_error(error, "look at", path, errno);
    else if (!S_ISREG(facts.st_mode))
        status = sw_error_set(error, SW_INVALID_ARGUMENT, "%s is %s and no regular file; name a file", path,
                              S_ISDIR(facts.st_mode) ? "a folder" : "a pipe or a device");
    *bytes = (uint64_t)facts.st_size;
    if (status != SW_OK)
        close(*fd);
    return status;
}

enum sw_status sw_file_open_work(const char *path, const char *what, int *fd, struct sw_error *error)
{
    struct stat opened, named;

    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666);
    if (*fd < 0 && errno == ENOENT)
        return sw_error_set(error, SW_NOT_FOUND, "cannot make %s: its folder does not exist", path);
    if (*fd < 0)
        return sw_file_error(error, "open", path, errno);
    enum sw_status status = SW_OK;
    if (flock(*fd, LOCK_EX | LOCK_NB) != 0)
        status = errno == EWOULDBLOCK ? sw_error_set(error, SW_INVALID_ARGUMENT,
                                                     "%s is in use: %s is at work on it; wait for its end", path, what)
                                      : sw_file_error(error, "lock", path, errno);
    /* Whoever had it before may have given it another name between our two calls. */
    else if (fstat(*fd, &opened) != 0 || stat(path, &named) != 0 || opened.st_ino != named.st_ino ||
             opened.st_dev != named.st_dev)
        status = sw_error_set(error, SW_INVALID_ARGUMENT, "%s was in use until now: run this again", path);
    else if (!S_ISREG(opened.st_mode))
        status = sw_error_set(error, SW_INVALID_ARGUMENT, "%s is no regular file; move it out of the way", path);
    if (status != SW_OK)
        close(*fd);
    return status;
}

enum sw_status sw_file_open_nameless(const char *beside, int *fd, struct sw_error *error)
{
    char *copy = sw_strdup(beside), *name = NULL;
    enum sw_status status = SW_OK;

    if (!copy)
        return sw_error_set(error, SW_NO_MEMORY, "no memory to work beside %s", beside);
    const char *folder = dirname(copy);
    *fd = open(folder, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    /* File systems that know no nameless files get one whose name goes at once. */
    if (*fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
        name = sw_file_name(folder, "/.symwave-XXXXXX");
        *fd = name ? mkostemp(name, O_CLOEXEC) : -1;
        if (*fd >= 0)
            unlink(name);
    }
    if (*fd < 0)
        status = sw_file_error(error, "make a work file in", folder, errno);
    sw_free(name);
    sw_free(copy);
    return status;
}

enum sw_status sw_file_rename(const char *from, const char *to, struct sw_error *error)
{
    char *copy = sw_strdup(to);
    enum sw_status status = SW_OK;

    if (!copy)
        return sw_error_set(error, SW_NO_MEMORY, "no memory to rename %s", from);
    if (rename(from, to) != 0) {
        status = sw_file_error(error, "rename a file to", to, errno);
    } else {
        int folder = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        /* EINVAL: a file system that syncs no folders. One that may not be read is somebody else's to sync. */
        if (folder >= 0 && fsync(folder) != 0 && errno != EINVAL)
            status = sw_file_error(error, "sync the folder of", to, errno);
        if (folder >= 0)
            close(folder);
    }
    sw_free(copy);
    return status;
}

char *sw_file_name(const char *path, const char *suffix)
{
    return sw_text_new("%s%s", path, suffix);
}
