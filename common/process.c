/* What an executable may set for its whole process, and a library may not. */
#include "common/rpc_core.h"
#include "symwave/client.h"
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What gRPC says before it aborts; all else comes as a status too, in words for whoever runs the program. */
static void print_last_words(gpr_log_func_args *args)
{
    if (strstr(args->message, "assertion failed") || strstr(args->message, "UNREACHABLE"))
        fprintf(stderr, "gRPC aborts at %s:%d: %s\n", args->file, args->line, args->message);
}

void sw_process_tune(void)
{
    /*
     * glibc gives freed memory back to the system and faults it in again: that costs half and more of the speed of a
     * stream of 64 KiB messages. So it keeps its pages, and takes them from one arena, which all threads share.
     */
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TOP_PAD, 16 << 20);
    mallopt(M_ARENA_MAX, 1);
    /* With this experiment on, as it is by default, gRPC ignores the read chunk sizes that bound its memory. */
    setenv("GRPC_EXPERIMENTS", "-tcp_read_chunks", 0);
    if (!getenv("GRPC_VERBOSITY")) /* or it has been told what to print */
        gpr_set_log_function(print_last_words);
}
