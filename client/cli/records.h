/* Lines, or other records, of a file or of standard input, one at a time and of bounded length. */
#ifndef SW_CLI_RECORDS_H
#define SW_CLI_RECORDS_H

#include "symwave/status.h"
#include <stddef.h>
#include <stdint.h>

#define RECORD_BYTES_MAX 65536

struct records {
    int fd;
    const char *name; /* for errors */
    char delimiter;
    bool (*stop)(void); /* may be NULL; true: waiting for more ends */
    uint64_t number;    /* of the last record, from 1 */
    size_t start;       /* in buffer, of what is not yet handed out */
    size_t end;
    bool at_end;
    char buffer[RECORD_BYTES_MAX + 1];
};

/* Opens a file, "-" for standard input. SW_NOT_FOUND, SW_IO_ERROR; the caller closes it after SW_OK. */
enum sw_status records_open(struct records *records, const char *path, char delimiter, struct sw_error *error);
void records_close(struct records *records);

/*
 * The next record, NUL-terminated and without its delimiter, valid until the next call; NULL at the end. A last one
 * without a delimiter counts. SW_IO_ERROR, SW_INVALID_ARGUMENT (too long), SW_CANCELLED (stop).
 */
enum sw_status records_next(struct records *records, char **record, size_t *bytes, struct sw_error *error);

#endif
