#include "common/memory.h"
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Set before there are threads; allocate is NULL where it is malloc. */
static struct sw_allocator host;

enum sw_status sw_allocator_set(const struct sw_allocator *allocator, struct sw_error *error)
{
    if (allocator && (!allocator->allocate || !allocator->resize || !allocator->release))
        return sw_error_set(error, SW_INVALID_ARGUMENT, "an allocator needs allocate, resize and release");
    host = allocator ? *allocator : (struct sw_allocator){0};
    return SW_OK;
}

void *sw_malloc(size_t bytes)
{
    return host.allocate ? host.allocate(bytes, host.user_data) : malloc(bytes);
}

void *sw_calloc(size_t count, size_t bytes)
{
    void *block;

    if (!host.allocate)
        return calloc(count, bytes); /* which need not touch fresh pages */
    if (bytes > 0 && count > SIZE_MAX / bytes)
        return NULL;
    block = host.allocate(count * bytes, host.user_data);
    return block ? memset(block, 0, count * bytes) : NULL;
}

void *sw_realloc(void *block, size_t bytes)
{
    if (!host.allocate)
        return realloc(block, bytes);
    return block ? host.resize(block, bytes, host.user_data) : host.allocate(bytes, host.user_data);
}

void sw_free(void *block)
{
    if (!host.allocate)
        free(block);
    else if (block)
        host.release(block, host.user_data);
}

char *sw_strdup(const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = sw_malloc(bytes);
    return copy ? memcpy(copy, text, bytes) : NULL;
}

char *sw_text_new(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = length < 0 ? NULL : sw_malloc((size_t)length + 1);
    if (!text)
        return NULL;
    va_start(arguments, format);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    va_end(arguments);
    return text;
}

void *sw_table_new(size_t count, size_t item_bytes)
{
    /* Items start at a multiple of what any object needs. */
    size_t head = (count * sizeof(void *) + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
    void **table = sw_calloc(1, head + count * item_bytes + 1); /* no block of no bytes */
    for (size_t i = 0; table && i < count; i++)
        table[i] = (char *)table + head + i * item_bytes;
    return table;
}
