/*
 * Keys: their order, their XOR distance, and their text forms.
 *
 * Base58 is the form of every command line and of the routing rule, so it is written and read for each key of a
 * retrieval once or twice: both ways work on groups of five digits and on 32-bit words, not digit by digit over bytes.
 */
#include "symwave/key.h"
#include "common/blake3.h"
#include <string.h>

/* Five digits of base58 fit 32 bits; 44 digits hold any key. */
#define GROUP_DIGITS      5
#define GROUPS            9
#define GROUP_VALUES      656356768u /* 58 to the fifth */
#define BASE58_DIGITS_MIN 32         /* a key of zeros: each leading zero byte is a digit of its own */
#define BASE58_DIGITS_MAX (SW_KEY_BASE58_SIZE - 1)
#define WORDS             (SW_KEY_BYTES / 4)

static const char base58_alphabet[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
static const char base64_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* A digit's value by its character, from '1' on; -1 where base58 has none. */
static const int8_t base58_values['z' - '1' + 1] = {
    0,  1,  2,  3,  4,  5,  6,  7,  8,  -1, -1, -1, -1, -1, -1, -1, 9,  10, 11, 12, 13, 14, 15, 16, -1,
    17, 18, 19, 20, 21, -1, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, -1, -1, -1, -1, -1, -1, 33, 34,
    35, 36, 37, 38, 39, 40, 41, 42, 43, -1, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57,
};

static uint32_t load32_big(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void store32_big(uint8_t *p, uint32_t x)
{
    p[0] = (uint8_t)(x >> 24);
    p[1] = (uint8_t)(x >> 16);
    p[2] = (uint8_t)(x >> 8);
    p[3] = (uint8_t)x;
}

static uint64_t load64_big(const uint8_t *p)
{
    return (uint64_t)load32_big(p) << 32 | load32_big(p + 4);
}

struct sw_key sw_key_of_value(const void *value, size_t value_bytes)
{
    struct sw_key key;

    sw_blake3(value, value_bytes, key.bytes);
    return key;
}

int sw_key_compare(const struct sw_key *a, const struct sw_key *b)
{
    return memcmp(a->bytes, b->bytes, SW_KEY_BYTES);
}

int sw_key_compare_distance(const struct sw_key *target, const struct sw_key *a, const struct sw_key *b)
{
    for (size_t i = 0; i < SW_KEY_BYTES; i += 8) {
        const uint64_t t = load64_big(target->bytes + i);
        const uint64_t to_a = load64_big(a->bytes + i) ^ t, to_b = load64_big(b->bytes + i) ^ t;
        if (to_a != to_b)
            return to_a < to_b ? -1 : 1;
    }
    return 0;
}

/* Fails for one character of a text, counted from 1; why is "" or says more. */
static enum sw_status wrong_character(struct sw_error *error, const char *form, const char *text, size_t index,
                                      const char *why)
{
    const unsigned char c = (unsigned char)text[index];

    if (c > ' ' && c < 0x7f)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "%s key: wrong character '%c' at position %zu%s", form, c,
                            index + 1, why);
    return sw_error_set(error, SW_INVALID_ARGUMENT, "%s key: wrong byte 0x%02x at position %zu%s", form, c, index + 1,
                        why);
}

/*
 * What a key's 32-bit words are worth in each group of five digits, the first word and the least significant group
 * first. A group is a sum over words and what the one before it carries, which is below 2^64: with words of ones the
 * largest sum is 0.54 times as much.
 */
static const uint32_t word_worth[GROUPS][WORDS] = {
    {379377856, 153715680, 289024608, 21339008, 357132832, 410450016, 356826688, 1},
    {141436834, 413102373, 247894721, 551597588, 389432875, 537767569, 6, 0},
    {214625350, 209184527, 294005210, 385795061, 127692781, 42, 0, 0},
    {605448490, 91512303, 3737691, 324463681, 280, 0, 0, 0},
    {300156666, 118408823, 486083817, 1833, 0, 0, 0, 0},
    {437087610, 646269101, 11997, 0, 0, 0, 0, 0},
    {77223048, 78508, 0, 0, 0, 0, 0, 0},
    {513735, 0, 0, 0, 0, 0, 0, 0},
    {0, 0, 0, 0, 0, 0, 0, 0},
};

static void put_group(uint32_t group, char text[GROUP_DIGITS])
{
    const uint32_t low = group % (58 * 58), middle = group / (58 * 58) % (58 * 58);

    text[0] = base58_alphabet[group / (58 * 58 * 58 * 58)];
    text[1] = base58_alphabet[middle / 58];
    text[2] = base58_alphabet[middle % 58];
    text[3] = base58_alphabet[low / 58];
    text[4] = base58_alphabet[low % 58];
}

size_t sw_key_to_base58(const struct sw_key *key, char text[SW_KEY_BASE58_SIZE])
{
    uint32_t words[WORDS];
    uint32_t groups[GROUPS]; /* groups: least significant first */
    char top[GROUP_DIGITS];
    uint64_t sum = 0;
    size_t left = GROUPS, n = 0, skip = 0;

    for (size_t w = 0; w < WORDS; w++)
        words[w] = load32_big(key->bytes + 4 * w);
    for (size_t g = 0; g < GROUPS; g++) {
        for (size_t w = 0; w < WORDS; w++)
            sum += (uint64_t)words[w] * word_worth[g][w];
        groups[g] = (uint32_t)(sum % GROUP_VALUES);
        sum /= GROUP_VALUES;
    }
    while (n < SW_KEY_BYTES && key->bytes[n] == 0)
        text[n++] = base58_alphabet[0];
    while (left > 0 && groups[left - 1] == 0)
        left--;
    if (left > 0) {
        put_group(groups[--left], top);
        while (top[skip] == base58_alphabet[0])
            skip++;
        while (skip < GROUP_DIGITS)
            text[n++] = top[skip++];
    }
    for (; left > 0; n += GROUP_DIGITS)
        put_group(groups[--left], text + n);
    text[n] = '\0';
    return n;
}

static int base58_value(char c)
{
    return c >= '1' && c <= 'z' ? base58_values[c - '1'] : -1;
}

enum sw_status sw_key_from_base58(const char *text, size_t text_bytes, struct sw_key *key, struct sw_error *error)
{
    uint32_t word[WORDS + 1] = {0}; /* least significant first; 44 digits can pass 32 bytes by two bits */
    size_t ones = 0, words = 0, bytes;

    for (size_t i = 0; i < text_bytes && i <= BASE58_DIGITS_MAX; i++)
        if (base58_value(text[i]) < 0)
            return wrong_character(error, "base58", text, i, "; base58 is letters and digits without 0, O, I and l");
    if (text_bytes < BASE58_DIGITS_MIN || text_bytes > BASE58_DIGITS_MAX)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "base58 key has %zu characters, not %d to %d", text_bytes,
                            BASE58_DIGITS_MIN, BASE58_DIGITS_MAX);
    while (ones < text_bytes && text[ones] == base58_alphabet[0])
        ones++;
    for (size_t i = ones; i < text_bytes;) {
        uint64_t carry = 0;
        uint32_t values = 1;
        do {
            carry = carry * 58 + (uint64_t)base58_value(text[i++]);
            values *= 58;
        } while (i < text_bytes && values < GROUP_VALUES);
        for (size_t w = 0; w < words; w++) {
            carry += (uint64_t)word[w] * values;
            word[w] = (uint32_t)carry;
            carry >>= 32;
        }
        if (carry > 0)
            word[words++] = (uint32_t)carry;
    }
    bytes = ones + 4 * words - (words > 0 ? (size_t)__builtin_clz(word[words - 1]) / 8 : 0);
    if (bytes != SW_KEY_BYTES)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "base58 key of %zu characters is %zu bytes, not %d", text_bytes,
                            bytes, SW_KEY_BYTES);
    for (size_t w = 0; w < WORDS; w++)
        store32_big(key->bytes + 4 * w, word[WORDS - 1 - w]);
    return SW_OK;
}

size_t sw_key_to_hex(const struct sw_key *key, char text[SW_KEY_HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < SW_KEY_BYTES; i++) {
        text[2 * i] = digits[key->bytes[i] >> 4];
        text[2 * i + 1] = digits[key->bytes[i] & 15];
    }
    text[SW_KEY_HEX_SIZE - 1] = '\0';
    return SW_KEY_HEX_SIZE - 1;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

enum sw_status sw_key_from_hex(const char *text, size_t text_bytes, struct sw_key *key, struct sw_error *error)
{
    struct sw_key read = {{0}};

    for (size_t i = 0; i < text_bytes && i < SW_KEY_HEX_SIZE; i++) {
        const int value = hex_value(text[i]);
        if (value < 0)
            return wrong_character(error, "hex", text, i, "");
        if (i / 2 < SW_KEY_BYTES)
            read.bytes[i / 2] = (uint8_t)(read.bytes[i / 2] << 4 | value);
    }
    if (text_bytes != SW_KEY_HEX_SIZE - 1)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "hex key has %zu characters, not %d", text_bytes,
                            SW_KEY_HEX_SIZE - 1);
    *key = read;
    return SW_OK;
}

/* 32 bytes are ten times three and two more: 43 characters, the last with two bits to spare, and one '='. */
#define BASE64_CHARACTERS 43

size_t sw_key_to_base64(const struct sw_key *key, char text[SW_KEY_BASE64_SIZE])
{
    uint32_t bits = 0, count = 0;
    size_t n = 0;

    for (size_t i = 0; i < SW_KEY_BYTES; i++) {
        bits = bits << 8 | key->bytes[i];
        for (count += 8; count >= 6; count -= 6)
            text[n++] = base64_alphabet[bits >> (count - 6) & 63];
    }
    text[n++] = base64_alphabet[bits << (6 - count) & 63];
    text[n++] = '=';
    text[n] = '\0';
    return n;
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

enum sw_status sw_key_from_base64(const char *text, size_t text_bytes, struct sw_key *key, struct sw_error *error)
{
    struct sw_key read;
    uint32_t bits = 0, count = 0;
    size_t n = 0;

    for (size_t i = 0; i < text_bytes && i < SW_KEY_BASE64_SIZE; i++) {
        const int value = base64_value(text[i]);
        if (i == BASE64_CHARACTERS && text[i] == '=')
            continue;
        if (value < 0)
            return wrong_character(error, "base64", text, i, "");
        bits = bits << 6 | (uint32_t)value;
        count += 6;
        if (count >= 8 && n < SW_KEY_BYTES) {
            count -= 8;
            read.bytes[n++] = (uint8_t)(bits >> count);
        }
        /* A text of a key has one form only: the bits to spare are zeros, and the padding is there. */
        if (i + 1 == BASE64_CHARACTERS && (bits & 3) != 0)
            return wrong_character(error, "base64", text, i, "; its last two bits must be zero");
        if (i == BASE64_CHARACTERS)
            return wrong_character(error, "base64", text, i, "; a key ends in '=' there");
    }
    if (text_bytes != SW_KEY_BASE64_SIZE - 1)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "base64 key has %zu characters, not %d", text_bytes,
                            SW_KEY_BASE64_SIZE - 1);
    *key = read;
    return SW_OK;
}

enum sw_status sw_key_parse(const char *text, size_t text_bytes, struct sw_key *key, struct sw_error *error)
{
    if (text_bytes == SW_KEY_HEX_SIZE - 1)
        return sw_key_from_hex(text, text_bytes, key, error);
    if (text_bytes == SW_KEY_BASE64_SIZE - 1 && text[text_bytes - 1] == '=')
        return sw_key_from_base64(text, text_bytes, key, error);
    return sw_key_from_base58(text, text_bytes, key, error);
}
