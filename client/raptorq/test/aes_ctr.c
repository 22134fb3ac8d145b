/* AES-128 in counter mode, after FIPS 197: see aes_ctr.h. */
#include "client/raptorq/test/aes_ctr.h"
#include <stdbool.h>
#include <string.h>

static uint8_t sbox[256];
static uint32_t mixed[256]; /* a column's part of SubBytes and MixColumns: 2s, s, s, 3s from the top */
static uint8_t round_keys[11][16];
static bool ready;

static uint8_t twice(uint8_t x)
{
    return (uint8_t)(x << 1 ^ (x >> 7) * 0x1b);
}

static uint8_t rotate(uint8_t x, int bits)
{
    return (uint8_t)(x << bits | x >> (8 - bits));
}

static void prepare(void)
{
    uint8_t p = 1, q = 1, round_constant = 1;

    /* p runs through all powers of 3 and q through their inverses. */
    do {
        p ^= twice(p);
        q ^= (uint8_t)(q << 1);
        q ^= (uint8_t)(q << 2);
        q ^= (uint8_t)(q << 4);
        q ^= (uint8_t)(q & 0x80 ? 0x09 : 0);
        sbox[p] = q ^ rotate(q, 1) ^ rotate(q, 2) ^ rotate(q, 3) ^ rotate(q, 4) ^ 0x63;
    } while (p != 1);
    sbox[0] = 0x63;
    for (int i = 0; i < 256; i++) {
        const uint32_t s = sbox[i], s2 = twice(sbox[i]);

        mixed[i] = s2 | s << 8 | s << 16 | (s2 ^ s) << 24;
    }
    for (int i = 0; i < 16; i++)
        round_keys[0][i] = (uint8_t)i;
    for (int round = 1; round <= 10; round++) {
        const uint8_t *before = round_keys[round - 1];

        for (int i = 0; i < 4; i++)
            round_keys[round][i] = before[i] ^ sbox[before[12 + (i + 1) % 4]] ^ (i == 0 ? round_constant : 0);
        for (int i = 4; i < 16; i++)
            round_keys[round][i] = before[i] ^ round_keys[round][i - 4];
        round_constant = twice(round_constant);
    }
    ready = true;
}

static uint32_t rotate_word(uint32_t x, int bits)
{
    return bits == 0 ? x : x << bits | x >> (32 - bits);
}

void aes_encrypt(const uint8_t in[16], uint8_t out[16])
{
    uint8_t state[16];

    if (!ready)
        prepare();
    for (int i = 0; i < 16; i++)
        state[i] = in[i] ^ round_keys[0][i];
    for (int round = 1; round <= 9; round++) {
        uint8_t next[16];

        for (int column = 0; column < 4; column++) {
            uint32_t sum = 0;

            for (int row = 0; row < 4; row++)
                sum ^= rotate_word(mixed[state[(column + row) % 4 * 4 + row]], 8 * row);
            for (int row = 0; row < 4; row++)
                next[column * 4 + row] = (uint8_t)(sum >> (8 * row)) ^ round_keys[round][column * 4 + row];
        }
        memcpy(state, next, sizeof(state));
    }
    for (int i = 0; i < 16; i++)
        out[i] = sbox[state[(i / 4 + i % 4) % 4 * 4 + i % 4]] ^ round_keys[10][i];
}

void aes_ctr_fill(uint8_t *bytes, size_t count)
{
    uint8_t counter[16] = {0}, block[16];

    for (size_t at = 0; at < count; at += sizeof(block)) {
        aes_encrypt(counter, block);
        memcpy(bytes + at, block, count - at < sizeof(block) ? count - at : sizeof(block));
        for (int i = 15; i >= 0 && ++counter[i] == 0;)
            i--;
    }
}
