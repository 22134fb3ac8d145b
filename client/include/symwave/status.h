/*
 * Statuses and errors: what every call of the SDK that can fail returns.
 *
 * A call returns an enum sw_status, 0 for success, and fills a struct sw_error where the caller passed one. Nothing is
 * kept in errno or in the thread.
 */
#ifndef SYMWAVE_STATUS_H
#define SYMWAVE_STATUS_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SW_PUBLIC                           __attribute__((visibility("default")))
#define SW_PRINTF(format_index, args_index) __attribute__((format(printf, format_index, args_index)))
#else
#define SW_PUBLIC
#define SW_PRINTF(format_index, args_index)
#endif

enum sw_status {
    SW_OK = 0,
    /* The caller's own doing (SW_CLASS_CALLER). */
    SW_INVALID_ARGUMENT = 1, /* an option, a key, a file's content is not of the form asked for */
    SW_CANCELLED = 2,        /* the caller cancelled */
    /* The same call may succeed later (SW_CLASS_RETRY). */
    SW_UNAVAILABLE = 10,        /* a node could not be reached or went away */
    SW_DEADLINE_EXCEEDED = 11,  /* the time given was too short */
    SW_RESOURCE_EXHAUSTED = 12, /* a node is busy or a limit of it was passed */
    /* What was asked for is not there or not right (SW_CLASS_DATA). */
    SW_SHORT = 20,             /* fewer symbols or replicas than required; the report says which */
    SW_DATA_LOSS = 21,         /* bytes that do not hash to their key */
    SW_PROTOCOL_ERROR = 22,    /* a peer broke the protocol */
    SW_PERMISSION_DENIED = 23, /* a node refuses this caller */
    SW_NOT_FOUND = 24,         /* a file or a thing named does not exist */
    /* This machine (SW_CLASS_LOCAL). */
    SW_IO_ERROR = 30, /* a file or socket call failed */
    SW_NO_SPACE = 31, /* a disk or quota is full */
    SW_NO_MEMORY = 32,
    /* A mistake of Symwave itself (SW_CLASS_FATAL). */
    SW_INTERNAL = 40,
};

enum sw_status_class {
    SW_CLASS_OK,
    SW_CLASS_CALLER,
    SW_CLASS_RETRY,
    SW_CLASS_DATA,
    SW_CLASS_LOCAL,
    SW_CLASS_FATAL,
};

#define SW_ERROR_MESSAGE_SIZE 512

/*
 * Filled by a call that failed: what failed, on which node, key or file, and what to do. One line, no full stop. It
 * means nothing after a call that has succeeded.
 */
struct sw_error {
    enum sw_status status;
    char message[SW_ERROR_MESSAGE_SIZE];
};

/* The name of a status, as "deadline exceeded"; never NULL. Any thread; does not block. */
SW_PUBLIC const char *sw_status_name(enum sw_status status);

/* What kind of failure it is. Any thread; does not block. */
SW_PUBLIC enum sw_status_class sw_status_class(enum sw_status status);

/* Whether the same call may succeed later without any change by the caller. Any thread; does not block. */
SW_PUBLIC bool sw_status_is_retriable(enum sw_status status);

/*
 * Fills an error and returns its status, so that a function can end with "return sw_error_set(...)". A message too long
 * is cut. error may be NULL. For callbacks of the caller as much as for the SDK. Any thread; does not block.
 */
SW_PUBLIC enum sw_status sw_error_set(struct sw_error *error, enum sw_status status, const char *format, ...)
    SW_PRINTF(3, 4);

#ifdef __cplusplus
}
#endif

#endif
