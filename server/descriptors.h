/*
 * The index that reflection answers from: which file of a descriptor set declares a symbol, and what a file imports.
 * Read-only once made, so any thread may look things up.
 */
#ifndef SW_SERVER_DESCRIPTORS_H
#define SW_SERVER_DESCRIPTORS_H

#include "symwave/status.h"
#include <stddef.h>
#include <stdint.h>

struct sw_descriptors;

/*
 * Indexes a serialised google.protobuf.FileDescriptorSet, whose bytes are borrowed for the index's life. NULL without
 * memory or where the bytes are no such set.
 */
struct sw_descriptors *sw_descriptors_new(const uint8_t *set, size_t set_bytes);
void sw_descriptors_free(struct sw_descriptors *descriptors); /* NULL is allowed */

/* Number of a file by its name, or of the file that declares a fully qualified symbol; below 0 where there is none. */
int sw_descriptors_file_by_name(const struct sw_descriptors *descriptors, const char *name);
int sw_descriptors_file_by_symbol(const struct sw_descriptors *descriptors, const char *symbol);
/* Whether a symbol is a message. */
bool sw_descriptors_is_message(const struct sw_descriptors *descriptors, const char *symbol);

/* A file's serialised FileDescriptorProto. */
const uint8_t *sw_descriptors_file(const struct sw_descriptors *descriptors, int file, size_t *bytes);
/* Number of files. */
size_t sw_descriptors_file_count(const struct sw_descriptors *descriptors);
/* Marks a file and all that it imports, directly or not, in wanted, which has one entry a file. */
void sw_descriptors_with_imports(const struct sw_descriptors *descriptors, int file, bool *wanted);

/* The services of all files. */
size_t sw_descriptors_service_count(const struct sw_descriptors *descriptors);
const char *sw_descriptors_service(const struct sw_descriptors *descriptors, size_t index);

#endif
