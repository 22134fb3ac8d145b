/*
 * Logging: events with a short fixed message and logfmt fields, to a hook (symwave/log.h) or, in the executables, to a
 * descriptor as logfmt or JSON lines.
 */
#ifndef SW_COMMON_LOG_H
#define SW_COMMON_LOG_H

#include "symwave/log.h"
#include <stddef.h>

/* Borrowed by whoever logs; NULL hook: nothing is logged. */
struct sw_logger {
    enum sw_log_level level; /* most detailed level that is passed on */
    sw_log_fn fn;
    void *user_data;
};

/* Changes the level, while others log. */
void sw_logger_set_level(struct sw_logger *logger, enum sw_log_level level);

/*
 * Logs one event. fields_format makes the fields as logfmt; a %s value that may hold spaces, quotes or control
 * characters goes through sw_log_quote first. May be called from any thread; logger may be NULL.
 */
void sw_log(const struct sw_logger *logger, enum sw_log_level level, const char *message, const char *fields_format,
            ...) SW_PRINTF(4, 5);

/* Writes text as a logfmt value, quoted where it has to be, into out; cut to fit. Returns out. */
const char *sw_log_quote(const char *text, char *out, size_t out_bytes);

enum sw_log_format {
    SW_LOG_LOGFMT,
    SW_LOG_JSON
};

/*
 * A writer of lines, one write(2) an event: "ts=2026-01-02T03:04:05.678Z level=info msg=\"node started\" k=v", or the
 * same as a JSON object in which every field is a string.
 */
struct sw_log_writer {
    int fd;
    enum sw_log_format format;
};

/* A sw_log_fn; user_data is a struct sw_log_writer. */
void sw_log_writer_write(enum sw_log_level level, const char *message, const char *fields, void *user_data);

/* "error", "warn", "info", "debug"; and back, false where the name is none of them. */
const char *sw_log_level_name(enum sw_log_level level);
bool sw_log_level_parse(const char *name, enum sw_log_level *level);

#endif
