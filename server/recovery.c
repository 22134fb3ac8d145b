#include "server/recovery.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The file is new with each start, and has a few lines then; no more of it than this is looked at. */
#define LINES_MAX 100000

static uint64_t left_out_bytes(const char *data)
{
    /* "... [WARN] [db/db_impl/db_impl_open.cc:982] DATA/000029.log: dropping 32768 bytes; Corruption: ..." */
    static const char words[] = ".log: dropping ";
    char path[4096], line[2048];
    uint64_t bytes = 0;
    if (snprintf(path, sizeof(path), "%s/LOG", data) >= (int)sizeof(path))
        return 0;
    FILE *file = fopen(path, "re");
    for (unsigned i = 0; file && i < LINES_MAX && fgets(line, sizeof(line), file); i++) {
        const char *found = strstr(line, words);
        if (found)
            bytes += strtoull(found + sizeof(words) - 1, NULL, 10);
    }
    if (file)
        fclose(file);
    return bytes;
}

void sw_recovery_tell(const char *data, const struct sw_logger *logger)
{
    char quoted[1100];
    const uint64_t bytes = left_out_bytes(data);
    if (bytes > 0)
        sw_log(logger, SW_LOG_ERROR,
               "the store's log is damaged: symbols in so many bytes of it are lost here; see to the disk",
               "data=%s bytes=%" PRIu64, sw_log_quote(data, quoted, sizeof(quoted)), bytes);
}
