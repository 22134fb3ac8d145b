/*
 * Any text as a number, an amount, a key or a key file of the command line: it is refused, or is what it says. The
 * first byte says what it is taken for.
 */
#include "client/cli/key_list.h"
#include "client/cli/parse.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void try_amount(const char *text)
{
    struct amount amount;
    if (!parse_amount(text, &amount))
        return;
    const uint64_t totals[] = {1, 7, 1000, UINT32_MAX};
    for (size_t i = 0; i < sizeof(totals) / sizeof(*totals); i++) {
        uint64_t of = amount_of(&amount, totals[i]);
        require(of >= 1 && (amount.count == 0 ? of <= totals[i] : of == amount.count));
    }
}

static void try_key(const char *text)
{
    struct key_list list = {0};
    struct sw_error error = {0};
    enum sw_status status = key_list_add(&list, text, &error);
    require(status == SW_OK ? list.count == 1 : status == SW_INVALID_ARGUMENT && list.count == 0 && error.message[0]);
    key_list_clear(&list);
}

static void try_key_file(const uint8_t *data, size_t size)
{
    char path[64];
    struct key_list list = {0};
    struct sw_error error = {0};
    int fd = memfd_create("keys", MFD_CLOEXEC);
    require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    enum sw_status status = key_list_read(&list, path, &error);
    require(status == SW_OK || (status == SW_INVALID_ARGUMENT && strstr(error.message, path)));
    require(list.count <= size);
    require(list.count == 0 || (key_list_distinct(&list) >= 1 && key_list_distinct(&list) <= list.count));
    key_list_clear(&list);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t bytes;
    uint32_t milliseconds;
    if (size == 0)
        return 0;
    char *text = malloc(size);
    require(text != NULL);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    switch (data[0] % 5) {
    case 0:
        parse_bytes(text, &bytes);
        break;
    case 1:
        require(!parse_seconds(text, &milliseconds) || milliseconds > 0);
        break;
    case 2:
        try_amount(text);
        break;
    case 3:
        try_key(text);
        break;
    default:
        try_key_file(data + 1, size - 1);
        break;
    }
    free(text);
    return 0;
}
