/* The configuration file: any bytes are refused with a place, or taken. */
#include "server/config_keys.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct sw_config config = {0};
    struct sw_error error = {.status = SW_OK};
    struct sw_config_list *given = calloc(sw_config_key_count, sizeof(*given));
    if (!given)
        return 0;
    enum sw_status status = sw_config_yaml_parse((const char *)bytes, count, "fuzz", &config, given, &error);
    assert(status == SW_OK || (status == SW_INVALID_ARGUMENT && strncmp(error.message, "fuzz", 4) == 0));
    for (size_t i = 0; i < sw_config_key_count; i++)
        free(sw_config_text(&config, &sw_config_keys[i]));
    sw_config_clear(&config);
    free(given);
    return 0;
}
