/*
 * The log hook: the SDK prints nothing by itself; a host that wants its few lines passes a function.
 */
#ifndef SYMWAVE_LOG_H
#define SYMWAVE_LOG_H

#include "symwave/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum sw_log_level {
    SW_LOG_ERROR = 1,
    SW_LOG_WARN = 2,
    SW_LOG_INFO = 3, /* at most a handful of lines a retrieval */
    SW_LOG_DEBUG = 4,
};

/*
 * Receives one event: a short fixed message, and its fields as logfmt ("key=value key2=\"two words\"", possibly empty).
 * Called from any thread of the SDK, possibly several at once; must not block, but for a short write, or call the SDK.
 */
typedef void (*sw_log_fn)(enum sw_log_level level, const char *message, const char *fields, void *user_data);

#ifdef __cplusplus
}
#endif

#endif
