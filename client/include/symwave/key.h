/*
 * Keys: a symbol's key is the BLAKE3-256 hash of its bytes.
 *
 * Text forms: base58 (the alphabet of Bitcoin, no checksum; the form of files and command lines), hex, and base64 (RFC
 * 4648, padded; the form of JSON and grpcurl).
 */
#ifndef SYMWAVE_KEY_H
#define SYMWAVE_KEY_H

#include "symwave/status.h"
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SW_KEY_BYTES 32

/* Buffer sizes that hold any key's text and its NUL. */
#define SW_KEY_BASE58_SIZE 45
#define SW_KEY_HEX_SIZE    65
#define SW_KEY_BASE64_SIZE 45

struct sw_key {
    uint8_t bytes[SW_KEY_BYTES];
};

/* The key of a value: its BLAKE3-256. Any thread; does not block. */
SW_PUBLIC struct sw_key sw_key_of_value(const void *value, size_t value_bytes);

/* Order of two keys as big-endian numbers: below, equal to or above 0. Any thread. */
SW_PUBLIC int sw_key_compare(const struct sw_key *a, const struct sw_key *b);

/*
 * Order of two keys by their XOR distance to a target, compared big-endian: below 0 when a is nearer. Any thread.
 * Source: Maymounkov and Mazieres, Kademlia, 2002, section 2.1.
 */
SW_PUBLIC int sw_key_compare_distance(const struct sw_key *target, const struct sw_key *a, const struct sw_key *b);

/* Write a key's text, NUL-terminated, and return its length in bytes. Any thread. */
SW_PUBLIC size_t sw_key_to_base58(const struct sw_key *key, char text[SW_KEY_BASE58_SIZE]);
SW_PUBLIC size_t sw_key_to_hex(const struct sw_key *key, char text[SW_KEY_HEX_SIZE]);
SW_PUBLIC size_t sw_key_to_base64(const struct sw_key *key, char text[SW_KEY_BASE64_SIZE]);

/*
 * Read a key from text_bytes bytes of text. On failure the key is untouched and the error names the first wrong
 * character, or the length. Returns SW_OK or SW_INVALID_ARGUMENT. Any thread.
 */
SW_PUBLIC enum sw_status sw_key_from_base58(const char *text, size_t text_bytes, struct sw_key *key,
                                            struct sw_error *error);
SW_PUBLIC enum sw_status sw_key_from_hex(const char *text, size_t text_bytes, struct sw_key *key,
                                         struct sw_error *error);
SW_PUBLIC enum sw_status sw_key_from_base64(const char *text, size_t text_bytes, struct sw_key *key,
                                            struct sw_error *error);

/* Reads any of the three: 64 characters are hex, 44 that end in '=' base64, all else base58. As the three above. */
SW_PUBLIC enum sw_status sw_key_parse(const char *text, size_t text_bytes, struct sw_key *key, struct sw_error *error);

#ifdef __cplusplus
}
#endif

#endif
