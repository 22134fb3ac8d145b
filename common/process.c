/* What an executable may set for its whole process, and a library may not. */
#include "symwave/client.h"
#include <malloc.h>
#include <stdlib.h>

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
    /* What gRPC prints on standard error comes as a status too, in words for whoever runs the program. */
    setenv("GRPC_VERBOSITY", "NONE", 0);
}
