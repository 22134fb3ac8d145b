/* Numbers and foreign text for people, for the two programs. Each function writes into out and returns it. */
#ifndef SW_FORMAT_H
#define SW_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#define NUMBER_SIZE 32

/* "80.9 MB" (10^6), "12.0 kB", "7 B". */
const char *format_bytes(uint64_t bytes, char out[NUMBER_SIZE]);
/* Bytes in a time as "65.8 MB/s". */
const char *format_rate(uint64_t bytes, uint64_t elapsed_us, char out[NUMBER_SIZE]);
/* "820 us", "12 ms", "1.23 s", "2 min 5 s". */
const char *format_time(uint64_t elapsed_us, char out[NUMBER_SIZE]);

/*
 * Text that came from elsewhere, each control character as '?', so that it stays on one line and a terminal does
 * nothing about it; cut to fit, with "..." at the end.
 */
const char *printable(const char *text, size_t bytes, char *out, size_t out_bytes);

#endif
