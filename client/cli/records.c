#include "client/cli/records.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define STOP_CHECK_MS 100

enum sw_status records_open(struct records *records, const char *path, char delimiter, struct sw_error *error)
{
    bool standard_input = strcmp(path, "-") == 0;

    records->fd = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    records->name = standard_input ? "standard input" : path;
    records->delimiter = delimiter;
    records->stop = NULL;
    records->number = 0;
    records->start = records->end = 0;
    records->at_end = false;
    if (records->fd < 0)
        return sw_error_set(error, errno == ENOENT ? SW_NOT_FOUND : SW_IO_ERROR, "cannot open %s: %s", path,
                            strerror(errno));
    return SW_OK;
}

void records_close(struct records *records)
{
    if (records->fd > STDIN_FILENO)
        close(records->fd);
}

/* Reads more into the buffer, which has room. */
static enum sw_status read_more(struct records *records, struct sw_error *error)
{
    struct pollfd readable = {.fd = records->fd, .events = POLLIN};

    while (records->stop && poll(&readable, 1, STOP_CHECK_MS) <= 0)
        if (records->stop())
            return sw_error_set(error, SW_CANCELLED, "cancelled while waiting for %s", records->name);
    ssize_t count = read(records->fd, records->buffer + records->end, RECORD_BYTES_MAX - records->end);
    if (count < 0 && errno != EINTR)
        return sw_error_set(error, SW_IO_ERROR, "cannot read %s: %s", records->name, strerror(errno));
    records->at_end = count == 0;
    records->end += count > 0 ? (size_t)count : 0;
    return SW_OK;
}

enum sw_status records_next(struct records *records, char **record, size_t *bytes, struct sw_error *error)
{
    size_t searched = 0;

    *record = NULL;
    for (;;) {
        char *start = records->buffer + records->start;
        size_t available = records->end - records->start;
        char *end = memchr(start + searched, records->delimiter, available - searched);
        if (end || (records->at_end && available > 0)) {
            *bytes = end ? (size_t)(end - start) : available;
            start[*bytes] = '\0';
            *record = start;
            records->start += *bytes + (end ? 1 : 0);
            records->number++;
            return SW_OK;
        }
        if (records->at_end)
            return SW_OK;
        searched = available;
        if (available == RECORD_BYTES_MAX)
            return sw_error_set(error, SW_INVALID_ARGUMENT, "%s:%llu: longer than %d bytes", records->name,
                                (unsigned long long)records->number + 1, RECORD_BYTES_MAX);
        if (records->start > 0) {
            memmove(records->buffer, start, available);
            records->start = 0;
            records->end = available;
        }
        enum sw_status status = read_more(records, error);
        if (status != SW_OK)
            return status;
    }
}
