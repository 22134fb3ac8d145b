#include "client/cli/parse.h"
#include <stddef.h>
#include <string.h>

/* Reads digits; returns how many there were. *value is UINT64_MAX where they do not fit. */
static size_t read_digits(const char *text, uint64_t *value)
{
    size_t count = strspn(text, "0123456789");

    *value = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (*value > (UINT64_MAX - digit) / 10) {
            *value = UINT64_MAX;
            break;
        }
        *value = *value * 10 + digit;
    }
    return count;
}

/* Reads a decimal with up to so many places, as a whole number of its last place. NULL where there is none. */
static const char *read_decimal(const char *text, unsigned places, uint64_t *value)
{
    uint64_t whole, fraction = 0;
    size_t digits = read_digits(text, &whole), fraction_digits = 0;

    text += digits;
    if (*text == '.') {
        fraction_digits = read_digits(text + 1, &fraction);
        text += 1 + fraction_digits;
    }
    if (digits + fraction_digits == 0 || fraction_digits > places || whole > UINT32_MAX)
        return NULL;
    for (unsigned i = 0; i < places; i++)
        whole *= 10;
    for (size_t i = fraction_digits; i < places; i++)
        fraction *= 10;
    *value = whole + fraction;
    return text;
}

bool parse_bytes(const char *text, uint64_t *bytes)
{
    static const char units[] = "KMGT";
    uint64_t value;
    size_t digits = read_digits(text, &value);

    if (digits == 0 || value == UINT64_MAX)
        return false;
    text += digits;
    const char *unit = *text != '\0' ? strchr(units, *text >= 'a' ? *text - 'a' + 'A' : *text) : NULL;
    if (unit) {
        unsigned shift = 10 * (unsigned)(unit - units + 1);
        if (value > UINT64_MAX >> shift)
            return false;
        value <<= shift;
        text++;
        if (strcmp(text, "iB") == 0 || strcmp(text, "B") == 0)
            text += strlen(text);
    }
    *bytes = value;
    return *text == '\0';
}

bool parse_seconds(const char *text, uint32_t *milliseconds)
{
    uint64_t value;
    const char *end = read_decimal(text, 3, &value);

    if (!end || *end != '\0' || value == 0 || value > UINT32_MAX)
        return false;
    *milliseconds = (uint32_t)value;
    return true;
}

bool parse_amount(const char *text, struct amount *amount)
{
    uint64_t value;
    size_t digits = read_digits(text, &value);

    *amount = (struct amount){0, 0};
    if (digits > 0 && text[digits] == '\0') {
        amount->count = value;
        return value > 0 && value != UINT64_MAX;
    }
    const char *end = read_decimal(text, 4, &value);
    if (!end || strcmp(end, "%") != 0 || value == 0 || value > 1000000)
        return false;
    amount->percent_times_e4 = (uint32_t)value;
    return true;
}

uint64_t amount_of(const struct amount *amount, uint64_t total)
{
    if (amount->count > 0)
        return amount->count;
    /* In two parts, so that no total overflows. */
    uint64_t share = total / 1000000 * amount->percent_times_e4;
    return share + (total % 1000000 * amount->percent_times_e4 + 999999) / 1000000;
}
