/* The allocator that the host has given, or malloc's: what the SDK's own memory comes from. See symwave/memory.h. */
#ifndef SW_MEMORY_H
#define SW_MEMORY_H

#include "symwave/memory.h"
#include "symwave/status.h"

/* As malloc and so on; a block of one of them is freed with sw_free. */
void *sw_malloc(size_t bytes);
void *sw_calloc(size_t count, size_t bytes);
void *sw_realloc(void *block, size_t bytes);
char *sw_strdup(const char *text);
/* As asprintf; NULL without memory. */
char *sw_text_new(const char *format, ...) SW_PRINTF(1, 2);

/*
 * count zeroed items and the pointers to them, in one block: table[i] is the address of item i. So an array that is
 * given to a program can have items of a size that the program does not know. NULL without memory.
 */
void *sw_table_new(size_t count, size_t item_bytes);

#endif
