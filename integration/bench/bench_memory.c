/*
 * Makes memory ready: takes BYTES, writes to every page, and gives all back.
 *
 *     bench_memory BYTES
 *
 * A virtual machine may have lent its free pages back to the host, and the first use of such a page costs several times
 * what writing it costs. What is measured right after this finds pages that are there, whoever comes first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

int main(int argc, char **argv)
{
    size_t bytes = argc == 2 ? strtoull(argv[1], NULL, 10) : 0;
    char *memory =
        bytes > 0 ? mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : MAP_FAILED;
    if (memory == MAP_FAILED) {
        fprintf(stderr, "usage: bench_memory BYTES, of memory that is there\n");
        return 2;
    }
    for (size_t at = 0; at < bytes; at += 4096)
        memory[at] = 1;
    return 0;
}
