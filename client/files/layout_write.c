/*
 * Writing layouts. Byte for byte the same for the same file: other implementations write them in this way, and files
 * that are equal can be told by comparing their layouts.
 */
#include "client/files/file_io.h"
#include "client/files/layout.h"
#include "common/memory.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char head[] = "{\"blocks\": [{\"block_id\": 0, \"encoder_parameters\": [";

struct sw_layout_writer {
    char *path;
    char *part; /* where it is until it is whole; NULL once it is not there any more */
    FILE *file; /* its errors stay set until it is finished */
    struct sw_raptorq_params params;
    uint64_t count;
};

/* A file that somebody else has left under our name is not ours to destroy. */
static bool is_ours(int fd)
{
    char found[sizeof(head) - 1];
    ssize_t count = pread(fd, found, sizeof(found), 0);

    return count >= 0 && memcmp(found, head, (size_t)count) == 0;
}

static enum sw_status begin(struct sw_layout_writer *writer, struct sw_error *error)
{
    uint8_t oti[SW_RAPTORQ_OTI_BYTES];
    int fd;

    enum sw_status status = sw_file_open_work(writer->part, "another put or encode", &fd, error);
    if (status != SW_OK) {
        sw_free(writer->part); /* not ours to remove */
        writer->part = NULL;
        return status;
    }
    if (!is_ours(fd)) {
        close(fd);
        status =
            sw_error_set(error, SW_INVALID_ARGUMENT,
                         "%s is there and was not left by a put or an encode; move it out of the way", writer->part);
        sw_free(writer->part);
        writer->part = NULL;
        return status;
    }
    if (ftruncate(fd, 0) != 0 || !(writer->file = fdopen(fd, "w"))) {
        status = sw_file_error(error, "write", writer->part, errno);
        close(fd);
        return status;
    }
    sw_raptorq_oti_write(&writer->params, oti);
    fputs(head, writer->file);
    for (size_t i = 0; i < sizeof(oti); i++)
        fprintf(writer->file, "%s%u", i > 0 ? ", " : "", oti[i]);
    fprintf(writer->file, "], \"original_offset\": 0, \"size\": %llu, \"symbols\": [",
            (unsigned long long)writer->params.bytes);
    return SW_OK;
}

enum sw_status sw_layout_writer_open(const char *path, const struct sw_raptorq_params *params,
                                     struct sw_layout_writer **out, struct sw_error *error)
{
    struct sw_layout_writer *writer = sw_calloc(1, sizeof(*writer));
    enum sw_status status;

    *out = NULL;
    if (writer) {
        writer->params = *params;
        writer->path = sw_file_name(path, "");
        writer->part = sw_file_name(path, ".part");
    }
    if (!writer || !writer->path || !writer->part)
        status = sw_error_set(error, SW_NO_MEMORY, "no memory to write %s", path);
    else
        status = begin(writer, error);
    if (status == SW_OK)
        *out = writer;
    else
        sw_layout_writer_close(writer);
    return status;
}

enum sw_status sw_layout_writer_add(struct sw_layout_writer *writer, const struct sw_key *key, struct sw_error *error)
{
    char text[SW_KEY_BASE58_SIZE];

    sw_key_to_base58(key, text);
    if (fprintf(writer->file, "%s\"%s\"", writer->count++ > 0 ? ", " : "", text) < 0)
        return sw_file_error(error, "write", writer->part, errno);
    return SW_OK;
}

enum sw_status sw_layout_writer_finish(struct sw_layout_writer *writer, const struct sw_key *hash,
                                       struct sw_error *error)
{
    char text[SW_KEY_BASE58_SIZE];

    sw_key_to_base58(hash, text);
    fprintf(writer->file, "], \"hash\": \"%s\"}]}", text);
    if (ferror(writer->file)) /* of a call before, whose errno is gone */
        return sw_file_error(error, "write", writer->part, EIO);
    if (fflush(writer->file) != 0 || fsync(fileno(writer->file)) != 0)
        return sw_file_error(error, "write", writer->part, errno);
    enum sw_status status = sw_file_rename(writer->part, writer->path, error);
    if (status == SW_OK) {
        sw_free(writer->part);
        writer->part = NULL;
    }
    return status;
}

void sw_layout_writer_close(struct sw_layout_writer *writer)
{
    if (!writer)
        return;
    /* Removed before it is closed, while it is still locked. */
    if (writer->part && writer->file)
        unlink(writer->part);
    if (writer->file)
        fclose(writer->file);
    sw_free(writer->part);
    sw_free(writer->path);
    sw_free(writer);
}
