/* The input that the reference layouts were made of: AES-128 in counter mode over zeros, for tests only. */
#ifndef SW_RAPTORQ_TEST_AES_CTR_H
#define SW_RAPTORQ_TEST_AES_CTR_H

#include <stddef.h>
#include <stdint.h>

/* One block of AES-128 (FIPS 197) under the key 00 01 02 ... 0f. */
void aes_encrypt(const uint8_t in[16], uint8_t out[16]);

/* The first bytes of the key stream of that key and the initial counter zero. */
void aes_ctr_fill(uint8_t *bytes, size_t count);

#endif
