/* Key texts from outside: whatever is read as a key prints as the text that it was read from. */
#include "symwave/key.h"
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const char *text = (const char *)data;
    char printed[SW_KEY_HEX_SIZE];
    struct sw_error error;
    struct sw_key key, again;
    int read = 0;

    if (sw_key_from_base58(text, bytes, &key, &error) == SW_OK) {
        assert(sw_key_to_base58(&key, printed) == bytes && memcmp(printed, text, bytes) == 0);
        read++;
    }
    if (sw_key_from_base64(text, bytes, &key, &error) == SW_OK) {
        assert(sw_key_to_base64(&key, printed) == bytes && memcmp(printed, text, bytes) == 0);
        read++;
    }
    if (sw_key_from_hex(text, bytes, &key, &error) == SW_OK) {
        /* Capitals are read as well. */
        assert(sw_key_to_hex(&key, printed) == bytes && strncasecmp(printed, text, bytes) == 0);
        read++;
    }
    /* The three forms exclude each other, and one of them is what sw_key_parse finds. */
    assert(read <= 1);
    if (sw_key_parse(text, bytes, &again, &error) == SW_OK) {
        assert(read == 1 && sw_key_compare(&key, &again) == 0);
    } else {
        assert(read == 0 && error.status == SW_INVALID_ARGUMENT && error.message[0] != '\0');
        assert(strchr(error.message, '\n') == NULL);
    }
    return 0;
}
