/* Statuses: their names, their classes, and the filling of errors. */
#include "symwave/status.h"
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

static const struct {
    enum sw_status status;
    enum sw_status_class class;
    const char *name;
} statuses[] = {
    {SW_OK, SW_CLASS_OK, "ok"},
    {SW_INVALID_ARGUMENT, SW_CLASS_CALLER, "invalid argument"},
    {SW_CANCELLED, SW_CLASS_CALLER, "cancelled"},
    {SW_UNAVAILABLE, SW_CLASS_RETRY, "unavailable"},
    {SW_DEADLINE_EXCEEDED, SW_CLASS_RETRY, "deadline exceeded"},
    {SW_RESOURCE_EXHAUSTED, SW_CLASS_RETRY, "resource exhausted"},
    {SW_SHORT, SW_CLASS_DATA, "short"},
    {SW_DATA_LOSS, SW_CLASS_DATA, "data loss"},
    {SW_PROTOCOL_ERROR, SW_CLASS_DATA, "protocol error"},
    {SW_PERMISSION_DENIED, SW_CLASS_DATA, "permission denied"},
    {SW_NOT_FOUND, SW_CLASS_DATA, "not found"},
    {SW_IO_ERROR, SW_CLASS_LOCAL, "input/output error"},
    {SW_NO_SPACE, SW_CLASS_LOCAL, "no space"},
    {SW_NO_MEMORY, SW_CLASS_LOCAL, "no memory"},
    {SW_INTERNAL, SW_CLASS_FATAL, "internal error"},
};

const char *sw_status_name(enum sw_status status)
{
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
        if (statuses[i].status == status)
            return statuses[i].name;
    return "unknown status";
}

enum sw_status_class sw_status_class(enum sw_status status)
{
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
        if (statuses[i].status == status)
            return statuses[i].class;
    return SW_CLASS_FATAL;
}

bool sw_status_is_retriable(enum sw_status status)
{
    return sw_status_class(status) == SW_CLASS_RETRY;
}

enum sw_status sw_error_set(struct sw_error *error, enum sw_status status, const char *format, ...)
{
    if (error) {
        va_list args;
        va_start(args, format);
        error->status = status;
        vsnprintf(error->message, sizeof(error->message), format, args);
        va_end(args);
    }
    return status;
}
