#include "common/format.h"
#include <stdio.h>
#include <string.h>

const char *format_bytes(uint64_t bytes, char out[NUMBER_SIZE])
{
    static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
    double value = (double)bytes / 1000;
    size_t unit = 0;

    if (bytes < 1000) {
        snprintf(out, NUMBER_SIZE, "%u B", (unsigned)bytes);
        return out;
    }
    for (; value >= 999.5 && unit < 5; value /= 1000)
        unit++;
    snprintf(out, NUMBER_SIZE, value < 99.95 ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return out;
}

const char *format_rate(uint64_t bytes, uint64_t elapsed_us, char out[NUMBER_SIZE])
{
    double rate = elapsed_us > 0 ? (double)bytes * 1e6 / (double)elapsed_us : 0;
    format_bytes((uint64_t)rate, out);
    size_t length = strlen(out);
    snprintf(out + length, NUMBER_SIZE - length, "/s");
    return out;
}

const char *format_time(uint64_t elapsed_us, char out[NUMBER_SIZE])
{
    if (elapsed_us < 1000)
        snprintf(out, NUMBER_SIZE, "%u us", (unsigned)elapsed_us);
    else if (elapsed_us < 1000000)
        snprintf(out, NUMBER_SIZE, "%u ms", (unsigned)(elapsed_us / 1000));
    else if (elapsed_us < 60000000)
        snprintf(out, NUMBER_SIZE, "%.2f s", (double)elapsed_us / 1e6);
    else
        snprintf(out, NUMBER_SIZE, "%llu min %u s", (unsigned long long)(elapsed_us / 60000000),
                 (unsigned)(elapsed_us / 1000000 % 60));
    return out;
}

const char *printable(const char *text, size_t bytes, char *out, size_t out_bytes)
{
    size_t count = bytes < out_bytes ? bytes : out_bytes - 1;

    for (size_t i = 0; i < count; i++)
        out[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i];
    out[count] = '\0';
    if (count < bytes && count >= 3)
        memcpy(out + count - 3, "...", 3);
    return out;
}
