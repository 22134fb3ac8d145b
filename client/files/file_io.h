/* Files for the jobs of this folder: whole reads and writes at an offset, and changes of names that last. */
#ifndef SW_FILE_IO_H
#define SW_FILE_IO_H

#include "symwave/status.h"
#include <stddef.h>
#include <stdint.h>

/* Fills an error for an errno: "cannot DOING PATH: ...", with SW_NO_SPACE, SW_NOT_FOUND, SW_NO_MEMORY or SW_IO_ERROR.
 */
enum sw_status sw_file_error(struct sw_error *error, const char *doing, const char *path, int code);

/* Reads or writes all of it; path is for errors. A file that ends before is SW_IO_ERROR. */
enum sw_status sw_file_read(int fd, const char *path, void *bytes, size_t count, uint64_t offset,
                            struct sw_error *error);
enum sw_status sw_file_write(int fd, const char *path, const void *bytes, size_t count, uint64_t offset,
                             struct sw_error *error);

/* Makes a file so long, with room on its disk for all of it where the file system can promise that. */
enum sw_status sw_file_extend(int fd, const char *path, uint64_t bytes, struct sw_error *error);

/* Opens a file for reading; SW_INVALID_ARGUMENT where it is no regular one. The caller closes *fd. */
enum sw_status sw_file_open(const char *path, int *fd, uint64_t *bytes, struct sw_error *error);

/*
 * Opens a file to work in, which is made if it is missing and stays as it is otherwise. One process at a time:
 * SW_INVALID_ARGUMENT with what = "another put", say, where somebody has it open in this way.
 */
enum sw_status sw_file_open_work(const char *path, const char *what, int *fd, struct sw_error *error);

/* Opens a file without a name in the folder of another file; it goes when it is closed. */
enum sw_status sw_file_open_nameless(const char *beside, int *fd, struct sw_error *error);

/* Renames a file within its folder, so that it is the new file or the old one even after a loss of power. */
enum sw_status sw_file_rename(const char *from, const char *to, struct sw_error *error);

/* A path with something behind it, for the caller to free; NULL without memory. */
char *sw_file_name(const char *path, const char *suffix);

#endif
