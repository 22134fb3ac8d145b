/*
 * --trace FILE: a retrieval's requests in the trace event format that Chrome and Perfetto show. A node is a process, a
 * request a slice; requests that overlap lie on different lanes (threads) of their node.
 */
#ifndef SW_CLI_TRACE_FILE_H
#define SW_CLI_TRACE_FILE_H

#include "client/cli/cli.h"

struct trace_file;

/*
 * Begins a file beside path, which appears under that name when it is closed. SW_INVALID_ARGUMENT where path is there
 * and is no regular file; SW_IO_ERROR, SW_NO_MEMORY.
 */
enum sw_status trace_file_open(const char *path, struct trace_file **file, struct sw_error *error);

/* Adds a request; a sw_trace_fn, whose user_data is the file. What fails is told by close. */
void trace_file_add(const struct sw_trace_request *request, void *user_data);

/*
 * Ends the file and gives it its name. NULL is allowed. SW_IO_ERROR, SW_NO_SPACE, SW_NO_MEMORY: it is removed, and what
 * was there before stays.
 */
enum sw_status trace_file_close(struct trace_file *file, struct sw_error *error);

/* The same at the end of a command: an error is printed, and is the command's where it had none. */
enum exit_status trace_end(struct trace_file *file, enum exit_status result);

#endif
