/* UTF-8: one character at a time, strictly. */
#ifndef SW_UTF8_H
#define SW_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Reads the character at the start of text. Returns its length in bytes, 1 to 4, or 0 where the bytes are not UTF-8
 * (overlong, a surrogate, above U+10FFFF, cut short) or there are none. Source: RFC 3629, section 4.
 */
size_t sw_utf8_next(const char *text, size_t bytes, uint32_t *code_point);

/* Whether a character is a control, C0 or C1: what a terminal may act upon. */
bool sw_utf8_is_control(uint32_t code_point);

#endif
