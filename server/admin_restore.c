/*
 * restore: the files of a backup become a data folder. They are copied, so that what harms one harms not the other. A
 * file marks the folder until all of it is durable: a node does not start on half of a backup.
 */
#include "server/admin_commands.h"
#include "server/store.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_BYTES ((size_t)8 << 20)

static enum sw_status failed(struct sw_error *error, const char *what, const char *path)
{
    const int saved = errno;
    return sw_error_set(error, saved == ENOSPC || saved == EDQUOT ? SW_NO_SPACE : SW_IO_ERROR, "cannot %s %s: %s", what,
                        path, strerror(saved));
}

/* ---- one file ---- */

/* Copies by the file system's own means where it has them: shared blocks, or at least no way through this process. */
static enum sw_status copy_bytes(int from, int to, const char *name, uint64_t *bytes, struct sw_error *error)
{
    struct stat facts;
    if (fstat(from, &facts) != 0)
        return failed(error, "look at", name);
    if (ioctl(to, FICLONE, from) == 0) {
        *bytes += (uint64_t)facts.st_size;
        return SW_OK;
    }
    ssize_t count;
    while ((count = copy_file_range(from, NULL, to, NULL, COPY_BYTES, 0)) > 0)
        *bytes += (uint64_t)count;
    if (count == 0)
        return SW_OK;
    if (errno != EXDEV && errno != ENOSYS && errno != EINVAL && errno != EOPNOTSUPP)
        return failed(error, "copy", name);
    uint8_t *buffer = malloc(COPY_BYTES);
    enum sw_status status = buffer ? SW_OK : sw_error_set(error, SW_NO_MEMORY, "no memory to copy %s", name);
    while (status == SW_OK && (count = read(from, buffer, COPY_BYTES)) > 0) {
        for (ssize_t at = 0, written; status == SW_OK && at < count; at += written)
            if ((written = write(to, buffer + at, (size_t)(count - at))) < 0)
                status = failed(error, "write", name);
        *bytes += (uint64_t)count;
    }
    if (status == SW_OK && count < 0)
        status = failed(error, "read", name);
    free(buffer);
    return status;
}

static enum sw_status copy_file(int from_folder, int to_folder, const char *name, uint64_t *bytes,
                                struct sw_error *error)
{
    const int from = openat(from_folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (from < 0)
        return failed(error, "open", name);
    const int to = openat(to_folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    enum sw_status status = to < 0 ? failed(error, "make", name) : copy_bytes(from, to, name, bytes, error);
    if (status == SW_OK && fsync(to) != 0)
        status = failed(error, "sync", name);
    if (to >= 0 && close(to) != 0 && status == SW_OK)
        status = failed(error, "close", name);
    close(from);
    return status;
}

/* ---- folders ---- */

/* Calls visit for each regular file. */
static enum sw_status each_file(const char *path,
                                enum sw_status (*visit)(void *user_data, int folder, const char *name,
                                                        struct sw_error *error),
                                void *user_data, struct sw_error *error)
{
    DIR *folder = opendir(path);
    if (!folder)
        return failed(error, "open the folder", path);
    enum sw_status status = SW_OK;
    struct stat facts;
    const struct dirent *entry;
    while (status == SW_OK && (errno = 0, entry = readdir(folder)) != NULL)
        if (fstatat(dirfd(folder), entry->d_name, &facts, AT_SYMLINK_NOFOLLOW) != 0)
            status = failed(error, "look at", entry->d_name);
        else if (S_ISREG(facts.st_mode))
            status = visit(user_data, dirfd(folder), entry->d_name, error);
    if (status == SW_OK && errno != 0)
        status = failed(error, "read the folder", path);
    closedir(folder);
    return status;
}

struct restoring {
    int folder; /* restored into */
    uint64_t files, bytes, symbols;
};

static enum sw_status copy_one(void *user_data, int folder, const char *name, struct sw_error *error)
{
    struct restoring *self = user_data;
    if (strcmp(name, "LOCK") == 0 || strcmp(name, SW_STORE_RESTORING) == 0)
        return SW_OK;
    self->files++;
    enum sw_status status = copy_file(folder, self->folder, name, &self->bytes, error);
    sw_admin_progress("restored", self->files, 0, self->bytes);
    return status;
}

/* What a restore before this one has left. */
static enum sw_status remove_one(void *user_data, int folder, const char *name, struct sw_error *error)
{
    (void)user_data;
    if (strcmp(name, SW_STORE_RESTORING) == 0 || unlinkat(folder, name, 0) == 0)
        return SW_OK;
    return failed(error, "remove", name);
}

static bool has_file(const char *folder, const char *name)
{
    char path[PATH_MAX]; /* a longer one cannot be opened either */
    return snprintf(path, sizeof(path), "%s/%s", folder, name) < (int)sizeof(path) && access(path, F_OK) == 0;
}

/* Whether there is anything in a folder but a node's socket and lost+found. */
static bool is_empty(const char *path)
{
    DIR *folder = opendir(path);
    bool empty = true;
    for (const struct dirent *entry; folder && empty && (entry = readdir(folder)) != NULL;)
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
                strcmp(entry->d_name, "admin.sock") == 0 || strcmp(entry->d_name, "lost+found") == 0;
    if (folder)
        closedir(folder);
    return empty;
}

static enum sw_status check(const char *from, const char *to, struct sw_error *error)
{
    if (!has_file(from, "CURRENT"))
        return sw_error_set(error, SW_NOT_FOUND, "%s is no backup: there is no file CURRENT in it", from);
    if (has_file(from, SW_STORE_RESTORING))
        return sw_error_set(error, SW_INVALID_ARGUMENT, "%s is a data folder that was not restored to the end", from);
    if (has_file(from, "LOCK"))
        return sw_error_set(error, SW_INVALID_ARGUMENT,
                            "%s is a node's data folder, which changes while the node runs; make a backup of it with "
                            "\"symwaved backup\"",
                            from);
    if (mkdir(to, 0750) != 0 && errno != EEXIST)
        return failed(error, "make the folder", to);
    if (!has_file(to, SW_STORE_RESTORING) && !is_empty(to))
        return sw_error_set(error, SW_INVALID_ARGUMENT, "%s is not empty; name a new folder, or move it away first",
                            to);
    return SW_OK;
}

static enum sw_status mark(int folder, struct sw_error *error)
{
    const int fd = openat(folder, SW_STORE_RESTORING, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    enum sw_status status =
        fd >= 0 && fsync(fd) == 0 && fsync(folder) == 0 ? SW_OK : failed(error, "make", SW_STORE_RESTORING);
    if (fd >= 0)
        close(fd);
    return status;
}

/* The store opens, which is the proof that every file is there, with the length that it should have. */
static enum sw_status prove(const char *path, struct restoring *self, struct sw_error *error)
{
    struct sw_store *store = NULL;
    struct sw_store_info info = {0};
    enum sw_status status = sw_store_rocksdb_open_marked(path, &store, error);
    if (status == SW_OK)
        status = store->info(store, &info, error);
    if (store)
        store->close(store);
    self->symbols = info.symbol_count;
    return status;
}

/* The mark goes last: until then the same can be done again. */
static enum sw_status restore(const char *from, const char *to, struct restoring *self, struct sw_error *error)
{
    enum sw_status status = mark(self->folder, error);
    if (status == SW_OK)
        status = each_file(to, remove_one, NULL, error);
    if (status == SW_OK)
        status = each_file(from, copy_one, self, error);
    sw_admin_progress_end();
    if (status == SW_OK && fsync(self->folder) != 0)
        status = failed(error, "sync the folder", to);
    if (status == SW_OK)
        status = prove(to, self, error);
    if (status == SW_OK && unlinkat(self->folder, SW_STORE_RESTORING, 0) != 0)
        status = failed(error, "remove", SW_STORE_RESTORING);
    if (status == SW_OK && fsync(self->folder) != 0)
        status = failed(error, "sync the folder", to);
    return status;
}

int sw_admin_restore(struct sw_admin_node *none, const struct sw_admin_options *options, struct sw_admin_report *report,
                     struct sw_error *error)
{
    const char *from = options->args[0], *to = options->data;
    struct restoring self = {0};
    (void)none;
    enum sw_status status = sw_admin_check_owner(to, error);
    if (status == SW_OK)
        status = check(from, to, error);
    if (status != SW_OK)
        return SW_ADMIN_FAILED;
    self.folder = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (self.folder < 0) {
        failed(error, "open the folder", to);
        return SW_ADMIN_FAILED;
    }
    status = restore(from, to, &self, error);
    close(self.folder);
    sw_admin_report_text(report, "restored", to);
    sw_admin_report_count(report, "files", self.files);
    sw_admin_report_count(report, "copied_bytes", self.bytes);
    sw_admin_report_count(report, "symbols", self.symbols);
    return status == SW_OK ? SW_ADMIN_WHOLE : SW_ADMIN_FAILED;
}
