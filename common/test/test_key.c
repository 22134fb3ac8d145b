/*
 * Keys: their text forms against values from outside, what the readers refuse and how they say it, the XOR distance.
 */
#include "common/blake3.h"
#include "symwave/key.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka.h needs those above. */
#include <cmocka.h>

/*
 * Made in Python: hex by bytes.hex(), base64 by base64.b64encode(), base58 by
 *
 *     def base58(b):
 *         n, s = int.from_bytes(b, 'big'), ''
 *         while n: n, r = divmod(n, 58); s = ALPHABET[r] + s
 *         return '1' * (len(b) - len(b.lstrip(b'\0'))) + s
 *
 * The last but seven is BLAKE3 of no bytes, by b3sum 1.2.0, then six random ones. The last is a symbol's: see below.
 */
static const struct {
    const char *hex, *base58, *base64;
} vectors[] = {
    {"0000000000000000000000000000000000000000000000000000000000000000", "11111111111111111111111111111111",
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="},
    {"0000000000000000000000000000000000000000000000000000000000000001", "11111111111111111111111111111112",
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE="},
    {"0000000000000000000000000000000000000000000000000000000000000039", "1111111111111111111111111111111z",
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAADk="},
    {"000000000000000000000000000000000000000000000000000000000000003a", "111111111111111111111111111111121",
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAADo="},
    {"0000000000000000000000000000000000000000000000000000000000000100", "1111111111111111111111111111115R",
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQA="},
    {"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", "JEKNVnkbo3jma5nREBBJCDoXFVeKkD56V3xKrvRmWxFG",
     "//////////////////////////////////////////8="},
    {"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "1thX6LZfHDZZKUs92febYZhYRcXddmzfzF2NvTkPNE",
     "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="},
    {"0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20", "4wBqpZM9xaSheZzJSMawUKKwhdpChKbZ5eu5ky4Vigw",
     "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="},
    {"0000000708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223", "111KWoXuT8SM46cRKiMVsNFzywn7hLF9QgsSCCf5bY",
     "AAAABwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiM="},
    {"0100000000000000000000000000000000000000000000000000000000000000", "4uQeVj5tqViQh7yWWGStvkEG1Zmhx6uasJtWCJziofM",
     "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="},
    {"8000000000000000000000000000000000000000000000000000000000000000", "9cfBkPsoQ2NPHYPi7b69bcQG8FKfNc33k2UfRxiPFyd9",
     "gAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="},
    {"00000000000000000000000000000000000000000000000000000000271f35a0", "1111111111111111111111111111211111",
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACcfNaA="},
    {"00000000000000000000000000000000000000000000000000000000271f359f", "1111111111111111111111111111zzzzz",
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACcfNZ8="},
    {"00000000000000000000000000000000ffffffffffffffffffffffffffffffff", "1111111111111111YcVfxkQb6JRzqk5kF2tNLv",
     "AAAAAAAAAAAAAAAAAAAAAP////////////////////8="},
    {"00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", "14uQeVj5tqViQh7yWWGStvkEG1Zmhx6uasJtWCJziofL",
     "AP////////////////////////////////////////8="},
    {"af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262", "CnRQX8RHiCM1krnQRbGMXaXPm6egnqUrV2ZiJLk7XPmb",
     "rxNJufX5oaagQE3qNtzJSZvLJcmtwRK3zJqTyuQfMmI="},
    {"6469661562e6cfb49385e6d6913506fa6df025e7c0bc1f33449a115e969e587c", "7kxz8Ts7eTBMU7dBeSKW9zARtKLDZnp4afXZ8hY386aw",
     "ZGlmFWLmz7SThebWkTUG+m3wJefAvB8zRJoRXpaeWHw="},
    {"265167e5404243740f868032f589aacc41928368ec6574e82f5a2cfc98a4e4f8", "3aaVKVEuy1gCTztqna4q17sNnQ3c476BgqeXSLm3qHLB",
     "JlFn5UBCQ3QPhoAy9YmqzEGSg2jsZXToL1os/Jik5Pg="},
    {"83fa402041167711921e1369233f18fb1c8ff8a9a11eb024424b6868bed334f9", "9tBjQnxtdySinrcAazCpWuF78Xenebd7DLXHcYzXAzpg",
     "g/pAIEEWdxGSHhNpIz8Y+xyP+KmhHrAkQktoaL7TNPk="},
    {"4d686e0d16491cb8d6beff2cbb1bcbccead62aaf3e68c1413e55c13b126a37c8", "6DAkZXimQLypfBe2fGCmtENCXnavowhYd1VvkyRVEGsH",
     "TWhuDRZJHLjWvv8suxvLzOrWKq8+aMFBPlXBOxJqN8g="},
    {"799dec1fc51953943b9d3cd80ce31766fb8936bbb9427d353c41a8d3d8a64d69", "9BjzvqyHYS6ZYHkyVwUj6N8q5bkpiye2UHZn8emiXj12",
     "eZ3sH8UZU5Q7nTzYDOMXZvuJNru5Qn01PEGo09imTWk="},
    {"e09c87bb2dcfa1034db65329aa5466f47870b371420ceaf14ce7570f5e4aa423", "G7nm6zKc274u2m3mjT32bXzRk6zQrcGjTx6kvPpRzn5Y",
     "4JyHuy3PoQNNtlMpqlRm9Hhws3FCDOrxTOdXD15KpCM="},
    {"3131b51116ad1490684dd67083c70575810bc9d7347d47374648f16eb5675071", "4K2wSMXj1mgApCXX4QftgMinxtM4sGVQ8g4RUVrjLDPE",
     "MTG1ERatFJBoTdZwg8cFdYELydc0fUc3RkjxbrVnUHE="},
};
#define VECTORS (sizeof(vectors) / sizeof(vectors[0]))

static uint64_t seed;

/* splitmix64 */
static uint64_t random64(void)
{
    uint64_t z = (seed += 0x9e3779b97f4a7c15u);

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Random, with zeros and ones in front, at the end and in between more often than chance would have it. */
static struct sw_key random_key(void)
{
    const size_t from = random64() % (SW_KEY_BYTES + 1), to = random64() % (SW_KEY_BYTES + 1);
    const uint8_t filler = random64() % 2 ? 0 : 255;
    struct sw_key key;

    for (size_t i = 0; i < SW_KEY_BYTES; i++)
        key.bytes[i] = i >= from && i < to ? filler : (uint8_t)random64();
    if (random64() % 2)
        memset(key.bytes, 0, random64() % (SW_KEY_BYTES + 1));
    return key;
}

typedef enum sw_status (*read_fn)(const char *text, size_t text_bytes, struct sw_key *key, struct sw_error *error);

static struct sw_key key_of_hex(const char *hex)
{
    struct sw_key key;

    for (size_t i = 0; i < SW_KEY_BYTES; i++) {
        unsigned byte;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        key.bytes[i] = (uint8_t)byte;
    }
    return key;
}

/* Reads from a block of exactly the text's size, without a NUL, so that a sanitizer sees any read past its end. */
static enum sw_status read_text(read_fn read, const char *text, size_t bytes, struct sw_key *key,
                                struct sw_error *error)
{
    char *copy = malloc(bytes ? bytes : 1);
    enum sw_status status;

    assert_non_null(copy);
    memcpy(copy, text, bytes);
    status = read(copy, bytes, key, error);
    free(copy);
    return status;
}

static void assert_reads(read_fn read, const char *text, const struct sw_key *expected)
{
    struct sw_error error = {.message = ""};
    struct sw_key key;

    if (read_text(read, text, strlen(text), &key, &error) != SW_OK)
        fail_msg("%s: %s", text, error.message);
    assert_memory_equal(key.bytes, expected->bytes, SW_KEY_BYTES);
}

static void test_texts_agree_with_the_vectors_both_ways(void **state)
{
    char base58[SW_KEY_BASE58_SIZE], hex[SW_KEY_HEX_SIZE], base64[SW_KEY_BASE64_SIZE];

    (void)state;
    for (size_t i = 0; i < VECTORS; i++) {
        const struct sw_key key = key_of_hex(vectors[i].hex);
        assert_int_equal(sw_key_to_base58(&key, base58), strlen(vectors[i].base58));
        assert_string_equal(base58, vectors[i].base58);
        assert_int_equal(sw_key_to_hex(&key, hex), 64);
        assert_string_equal(hex, vectors[i].hex);
        assert_int_equal(sw_key_to_base64(&key, base64), 44);
        assert_string_equal(base64, vectors[i].base64);
        assert_reads(sw_key_from_base58, vectors[i].base58, &key);
        assert_reads(sw_key_from_hex, vectors[i].hex, &key);
        assert_reads(sw_key_from_base64, vectors[i].base64, &key);
        assert_reads(sw_key_parse, vectors[i].base58, &key);
        assert_reads(sw_key_parse, vectors[i].hex, &key);
        assert_reads(sw_key_parse, vectors[i].base64, &key);
    }
}

static void test_hex_in_capitals_is_read(void **state)
{
    const struct sw_key key = key_of_hex("ABCDEF0123456789abcdef0123456789ABCDEFabcdefABCDEFabcdefABCDEFab");

    (void)state;
    assert_reads(sw_key_from_hex, "ABCDEF0123456789abcdef0123456789ABCDEFabcdefABCDEFabcdefABCDEFab", &key);
}

/*
 * The first RaptorQ symbol of a file of the one byte 0xc6: the payload id 0, then that byte, padded with zeros to
 * 65,528 bytes. Hashed by b3sum 1.2.0, and the first key in the layout that an independent RaptorQ implementation
 * wrote.
 */
static void test_key_of_a_symbol_is_its_blake3(void **state)
{
    uint8_t *symbol = calloc(1, 65532);
    char text[SW_KEY_BASE58_SIZE];
    struct sw_key key;

    (void)state;
    assert_non_null(symbol);
    symbol[4] = 0xc6;
    key = sw_key_of_value(symbol, 65532);
    free(symbol);
    sw_key_to_base58(&key, text);
    assert_string_equal(text, "4K2wSMXj1mgApCXX4QftgMinxtM4sGVQ8g4RUVrjLDPE");
}

static void test_random_keys_come_back_from_every_text(void **state)
{
    (void)state;
    for (int i = 0; i < 100000; i++) {
        const struct sw_key key = random_key();
        char base58[SW_KEY_BASE58_SIZE], hex[SW_KEY_HEX_SIZE], base64[SW_KEY_BASE64_SIZE];
        struct sw_key back;
        const size_t base58_bytes = sw_key_to_base58(&key, base58);
        assert_int_equal(base58_bytes, strlen(base58));
        assert_int_equal(sw_key_from_base58(base58, base58_bytes, &back, NULL), SW_OK);
        assert_memory_equal(back.bytes, key.bytes, SW_KEY_BYTES);
        assert_int_equal(sw_key_from_hex(hex, sw_key_to_hex(&key, hex), &back, NULL), SW_OK);
        assert_memory_equal(back.bytes, key.bytes, SW_KEY_BYTES);
        assert_int_equal(sw_key_from_base64(base64, sw_key_to_base64(&key, base64), &back, NULL), SW_OK);
        assert_memory_equal(back.bytes, key.bytes, SW_KEY_BYTES);
    }
}

static void assert_refuses(read_fn read, const char *text, const char *message)
{
    struct sw_key key, before;
    struct sw_error error = {.message = ""};

    memset(&before, 0xa5, sizeof(before));
    key = before;
    assert_int_equal(read_text(read, text, strlen(text), &key, &error), SW_INVALID_ARGUMENT);
    assert_int_equal(error.status, SW_INVALID_ARGUMENT);
    if (!strstr(error.message, message))
        fail_msg("%s: \"%s\" lacks \"%s\"", text, error.message, message);
    assert_memory_equal(key.bytes, before.bytes, SW_KEY_BYTES);
    assert_int_equal(read_text(read, text, strlen(text), &key, NULL), SW_INVALID_ARGUMENT);
}

static void test_wrong_base58_is_refused_by_character_or_length(void **state)
{
    (void)state;
    assert_refuses(sw_key_from_base58, "", "0 characters");
    assert_refuses(sw_key_from_base58, "2", "1 characters");
    assert_refuses(sw_key_from_base58, "4K2wSMXj1mgApCXX4QftgMinxtM4sGVQ8g4RUVrjLDP0", "'0' at position 44");
    assert_refuses(sw_key_from_base58, "OK2wSMXj1mgApCXX4QftgMinxtM4sGVQ8g4RUVrjLDPE", "'O' at position 1");
    assert_refuses(sw_key_from_base58, "4I2lSMXj1mgApCXX4QftgMinxtM4sGVQ8g4RUVrjLDPE", "'I' at position 2");
    assert_refuses(sw_key_from_base58, "4K2wSMXj1mgApCXX4QftgMinxtM4sGVQ8g4RUVrjLDPl", "'l' at position 44");
    assert_refuses(sw_key_from_base58, "4K2w SMXj1mgApCXX4QftgMinxtM4sGVQ8g4RUVrjLDP", "byte 0x20 at position 5");
    assert_refuses(sw_key_from_base58, "4K2wSMXj1mgApCXX4QftgMinxtM4sGVQ8g4RUVrjLDPE\n", "byte 0x0a at position 45");
    assert_refuses(sw_key_from_base58, "4K2wSMXj1mgApCXX4QftgMinxtM4sGVQ8g4RUVrjLD\xc3\xa9",
                   "byte 0xc3 at position 43");
    assert_refuses(sw_key_from_base58, "4K2wSMXj1mgApCXX4QftgMinxtM4sGVQ8g4RUVrjLDPE{", "'{' at position 45");
    assert_refuses(sw_key_from_base58, "4K2wSMXj1mgApCXX4QftgMinxtM4sGVQ8g4RUVrjLDPEE", "45 characters");
    assert_refuses(sw_key_from_base58, "1111111111111111111111111111111", "31 characters");
    assert_refuses(sw_key_from_base58, "111111111111111111111111111111111", "is 33 bytes");
    /* 31 bytes of 255; 2 to the 256th; the largest number of 44 digits. */
    assert_refuses(sw_key_from_base58, "4uQeVj5tqViQh7yWWGStvkEG1Zmhx6uasJtWCJziofL", "is 31 bytes");
    assert_refuses(sw_key_from_base58, "JEKNVnkbo3jma5nREBBJCDoXFVeKkD56V3xKrvRmWxFH", "is 33 bytes");
    assert_refuses(sw_key_from_base58, "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", "is 33 bytes");
    assert_refuses(sw_key_from_base58, "1JEKNVnkbo3jma5nREBBJCDoXFVeKkD56V3xKrvRmWxF", "is 33 bytes");
}

static void test_wrong_hex_is_refused_by_character_or_length(void **state)
{
    (void)state;
    assert_refuses(sw_key_from_hex, "", "0 characters");
    assert_refuses(sw_key_from_hex, "abcdef0123456789abcdef0123456789abcdef0123456789abcdef012345678", "63 characters");
    assert_refuses(sw_key_from_hex, "abcdef0123456789abcdef0123456789abcdef0123456789abcdef01234567890",
                   "65 characters");
    assert_refuses(sw_key_from_hex, "abcdeg0123456789abcdef0123456789abcdef0123456789abcdef0123456789",
                   "'g' at position 6");
    assert_refuses(sw_key_from_hex, "0xabcdef0123456789abcdef0123456789abcdef0123456789abcdef01234567",
                   "'x' at position 2");
    assert_refuses(sw_key_from_hex, "abcdef0123456789abcdef0123456789abcdef0123456789abcdef012345678\n",
                   "byte 0x0a at position 64");
}

static void test_wrong_base64_is_refused_by_character_or_length(void **state)
{
    (void)state;
    assert_refuses(sw_key_from_base64, "", "0 characters");
    assert_refuses(sw_key_from_base64, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "43 characters");
    assert_refuses(sw_key_from_base64, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8==", "'=' at position 45");
    assert_refuses(sw_key_from_base64, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8A", "'A' at position 44");
    assert_refuses(sw_key_from_base64, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=", "'9' at position 43");
    assert_refuses(sw_key_from_base64, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+=", "'+' at position 43");
    assert_refuses(sw_key_from_base64, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==", "'=' at position 43");
    assert_refuses(sw_key_from_base64, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBk-GxwdHh8=", "'-' at position 36");
    assert_refuses(sw_key_from_base64, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8 ", "byte 0x20 at position 44");
}

static void test_parse_takes_64_characters_for_hex_and_44_to_an_equals_sign_for_base64(void **state)
{
    (void)state;
    assert_refuses(sw_key_parse, "zbcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789", "hex key");
    assert_refuses(sw_key_parse, "A?ECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "base64 key");
    assert_refuses(sw_key_parse, "4K2wSMXj1mgApCXX4QftgMinxtM4sGVQ8g4RUVrjLDP0", "base58 key");
    assert_refuses(sw_key_parse, "", "base58 key");
}

/* A text with a NUL inside is as wrong as any other; nothing reads past text_bytes. */
static void test_nul_inside_a_text_is_a_wrong_character(void **state)
{
    char text[44];
    struct sw_error error;
    struct sw_key key;

    (void)state;
    memset(text, '2', sizeof(text));
    text[20] = '\0';
    assert_int_equal(read_text(sw_key_from_base58, text, sizeof(text), &key, &error), SW_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "byte 0x00 at position 21"));
}

/* Every single wrong byte at every place is named, whatever the form. */
static void test_any_byte_at_any_place_is_read_as_another_key_or_named(void **state)
{
    static const read_fn readers[] = {sw_key_from_base58, sw_key_from_hex, sw_key_from_base64};
    const char *texts[] = {vectors[VECTORS - 1].base58, vectors[VECTORS - 1].hex, vectors[VECTORS - 1].base64};

    (void)state;
    for (size_t r = 0; r < 3; r++) {
        const size_t bytes = strlen(texts[r]);
        for (size_t at = 0; at < bytes; at++)
            for (int c = 0; c < 256; c++) {
                char text[SW_KEY_HEX_SIZE], position[48];
                struct sw_error error;
                struct sw_key key;
                memcpy(text, texts[r], bytes);
                text[at] = (char)c;
                if (readers[r](text, bytes, &key, &error) == SW_OK)
                    continue;
                snprintf(position, sizeof(position), " at position %zu", at + 1);
                /* A first digit of base58 too large or a '1' more makes a number of another length. */
                if (!strstr(error.message, position) && !(r == 0 && strstr(error.message, "bytes, not 32")))
                    fail_msg("byte %d at %zu: %s", c, at, error.message);
            }
    }
}

static void test_order_is_that_of_big_endian_numbers(void **state)
{
    struct sw_key a = {{0}}, b = {{0}};

    (void)state;
    assert_int_equal(sw_key_compare(&a, &b), 0);
    a.bytes[31] = 255;
    b.bytes[30] = 1;
    assert_true(sw_key_compare(&a, &b) < 0);
    b.bytes[0] = 128;
    a.bytes[0] = 127;
    assert_true(sw_key_compare(&a, &b) < 0);
    assert_true(sw_key_compare(&b, &a) > 0);
}

static int sign(int x)
{
    return (x > 0) - (x < 0);
}

/* The distance by its definition: byte by byte, most significant first. */
static int compare_distance_slowly(const struct sw_key *target, const struct sw_key *a, const struct sw_key *b)
{
    for (size_t i = 0; i < SW_KEY_BYTES; i++) {
        const int to_a = target->bytes[i] ^ a->bytes[i], to_b = target->bytes[i] ^ b->bytes[i];
        if (to_a != to_b)
            return to_a < to_b ? -1 : 1;
    }
    return 0;
}

static void test_xor_distance_orders_keys_as_kademlia_defines_it(void **state)
{
    const struct sw_key zero = {{0}};

    (void)state;
    for (int i = 0; i < 50000; i++) {
        const struct sw_key t = random_key(), a = random_key(), c = random_key();
        struct sw_key b = random_key();
        if (i % 2) {
            b = a;
            b.bytes[random64() % SW_KEY_BYTES] ^= (uint8_t)(1u << random64() % 8);
        }
        const int order = sw_key_compare_distance(&t, &a, &b);
        assert_int_equal(sign(order), compare_distance_slowly(&t, &a, &b));
        assert_int_equal(sign(order), -sign(sw_key_compare_distance(&t, &b, &a)));
        assert_int_equal(sw_key_compare_distance(&t, &a, &a), 0);
        /* Different keys are never equally far, and no key is as near as the target itself. */
        assert_true((order == 0) == (memcmp(a.bytes, b.bytes, SW_KEY_BYTES) == 0));
        assert_true(sw_key_compare_distance(&t, &t, &a) <= 0);
        /* From zero, distance is the key's own order. */
        assert_int_equal(sign(sw_key_compare_distance(&zero, &a, &b)), sign(sw_key_compare(&a, &b)));
        /* Transitive. */
        if (order <= 0 && sw_key_compare_distance(&t, &b, &c) <= 0)
            assert_true(sw_key_compare_distance(&t, &a, &c) <= 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts_agree_with_the_vectors_both_ways),
        cmocka_unit_test(test_hex_in_capitals_is_read),
        cmocka_unit_test(test_key_of_a_symbol_is_its_blake3),
        cmocka_unit_test(test_random_keys_come_back_from_every_text),
        cmocka_unit_test(test_wrong_base58_is_refused_by_character_or_length),
        cmocka_unit_test(test_wrong_hex_is_refused_by_character_or_length),
        cmocka_unit_test(test_wrong_base64_is_refused_by_character_or_length),
        cmocka_unit_test(test_parse_takes_64_characters_for_hex_and_44_to_an_equals_sign_for_base64),
        cmocka_unit_test(test_nul_inside_a_text_is_a_wrong_character),
        cmocka_unit_test(test_any_byte_at_any_place_is_read_as_another_key_or_named),
        cmocka_unit_test(test_order_is_that_of_big_endian_numbers),
        cmocka_unit_test(test_xor_distance_orders_keys_as_kademlia_defines_it),
    };
    const char *given = getenv("SYMWAVE_SEED");

    seed = given ? strtoull(given, NULL, 0) : (uint64_t)getpid();
    printf("SYMWAVE_SEED=%llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
