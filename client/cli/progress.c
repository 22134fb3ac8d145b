/* The progress line. One lock keeps it and all other output of standard error apart. */
#include "client/cli/progress.h"
#include "common/format.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    bool active; /* begun, and standard error is a terminal */
    bool shown;  /* the cursor is behind a line of ours */
    const char *verb;
    uint64_t total;
} line;

static unsigned terminal_columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* Under lock. */
static void erase(void)
{
    if (line.shown)
        fputs("\r\033[K", stderr);
    line.shown = false;
}

void progress_begin(const char *verb, uint64_t total)
{
    pthread_mutex_lock(&lock);
    line.active = isatty(STDERR_FILENO) == 1;
    line.verb = verb;
    line.total = total;
    pthread_mutex_unlock(&lock);
}

/* How much is done of how much, where that is known, and what is left in time. */
static void write_rest(char *text, size_t size, double done, double total, uint64_t elapsed_us)
{
    if (done > 0 && total > done) {
        uint64_t seconds = (uint64_t)((double)elapsed_us / done * (total - done) / 1e6) + 1;
        snprintf(text, size, ", %llu:%02u left", (unsigned long long)(seconds / 60), (unsigned)(seconds % 60));
    }
}

static void write_transfer(char *text, size_t size, const struct sw_progress *progress)
{
    char bytes[NUMBER_SIZE], rate[NUMBER_SIZE];
    uint64_t total = progress->symbols_total ? progress->symbols_total : line.total;

    snprintf(text, size, "%s %llu", line.verb, (unsigned long long)progress->symbols);
    size_t length = strlen(text);
    if (total > 0)
        snprintf(text + length, size - length, " of %llu symbols, %u %%", (unsigned long long)total,
                 (unsigned)(progress->symbols * 100 / total));
    else
        snprintf(text + length, size - length, " symbols");
    length = strlen(text);
    snprintf(text + length, size - length, ", %s, %s", format_bytes(progress->bytes, bytes),
             format_rate(progress->bytes, progress->elapsed_us, rate));
    length = strlen(text);
    write_rest(text + length, size - length, (double)progress->symbols, (double)total, progress->elapsed_us);
    length = strlen(text);
    snprintf(text + length, size - length, ", wave %u, %u %s", progress->wave, progress->nodes,
             progress->nodes == 1 ? "node" : "nodes");
}

/* A stage that only this machine works on. */
static void write_local(char *text, size_t size, const struct sw_progress *progress)
{
    static const char *const verbs[] = {
        [SW_STAGE_ENCODE] = "read and encoded", [SW_STAGE_DECODE] = "decoded", [SW_STAGE_CHECK] = "checked"};
    char bytes[NUMBER_SIZE], rate[NUMBER_SIZE];

    snprintf(text, size, "%s %s, %s", verbs[progress->stage], format_bytes(progress->bytes, bytes),
             format_rate(progress->bytes, progress->elapsed_us, rate));
    size_t length = strlen(text);
    if (progress->bytes_total > 0)
        snprintf(text + length, size - length, ", %u %%", (unsigned)(progress->bytes * 100 / progress->bytes_total));
    length = strlen(text);
    write_rest(text + length, size - length, (double)progress->bytes, (double)progress->bytes_total,
               progress->elapsed_us);
}

void progress_show(const struct sw_progress *progress, void *user_data)
{
    char text[256];

    (void)user_data;
    pthread_mutex_lock(&lock);
    if (line.active) {
        if (progress->stage == SW_STAGE_TRANSFER)
            write_transfer(text, sizeof(text), progress);
        else
            write_local(text, sizeof(text), progress);
        /* One character less than the line has, so that the cursor does not go to the next. */
        fprintf(stderr, "\r%.*s\033[K", (int)terminal_columns() - 1, text);
        fflush(stderr);
        line.shown = true;
    }
    pthread_mutex_unlock(&lock);
}

void progress_end(void)
{
    pthread_mutex_lock(&lock);
    erase();
    line.active = false;
    pthread_mutex_unlock(&lock);
}

void progress_pause(void)
{
    pthread_mutex_lock(&lock);
    erase();
}

void progress_resume(void)
{
    fflush(stderr);
    pthread_mutex_unlock(&lock);
}
