/* The progress line. One lock keeps it and all other output of standard error apart. */
#include "client/cli/progress.h"
#include "client/cli/format.h"
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

void progress_show(const struct sw_progress *progress, void *user_data)
{
    char text[256], bytes[NUMBER_SIZE], rate[NUMBER_SIZE];
    size_t length;

    (void)user_data;
    pthread_mutex_lock(&lock);
    if (line.active) {
        uint64_t total = progress->symbols_total ? progress->symbols_total : line.total;
        snprintf(text, sizeof(text), "%s %llu", line.verb, (unsigned long long)progress->symbols);
        length = strlen(text);
        if (total > 0)
            snprintf(text + length, sizeof(text) - length, " of %llu symbols, %u %%", (unsigned long long)total,
                     (unsigned)(progress->symbols * 100 / total));
        else
            snprintf(text + length, sizeof(text) - length, " symbols");
        length = strlen(text);
        snprintf(text + length, sizeof(text) - length, ", %s, %s", format_bytes(progress->bytes, bytes),
                 format_rate(progress->bytes, progress->elapsed_us, rate));
        length = strlen(text);
        if (progress->symbols > 0 && total > progress->symbols) {
            double left_us =
                (double)progress->elapsed_us / (double)progress->symbols * (double)(total - progress->symbols);
            uint64_t seconds = (uint64_t)(left_us / 1e6) + 1;
            snprintf(text + length, sizeof(text) - length, ", %llu:%02u left", (unsigned long long)(seconds / 60),
                     (unsigned)(seconds % 60));
        }
        length = strlen(text);
        snprintf(text + length, sizeof(text) - length, ", wave %u, %u requests", progress->wave, progress->requests);
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
