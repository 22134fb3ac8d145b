/* See peer.h. The child reads and writes files in memory: with pipes, each could wait for the other. */
#include "integration/interop/peer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka.h needs those above. */
#include <cmocka.h>

void *room(size_t bytes)
{
    void *memory = calloc(1, bytes + 1);

    assert_non_null(memory);
    return memory;
}

static int file_of(const struct bytes *content)
{
    const int file = memfd_create("interop", MFD_CLOEXEC);
    size_t done = 0;

    assert_true(file >= 0);
    while (content != NULL && done < content->count) {
        const ssize_t written = write(file, content->data + done, content->count - done);

        assert_true(written > 0);
        done += (size_t)written;
    }
    assert_int_equal(lseek(file, 0, SEEK_SET), 0);
    return file;
}

static struct bytes content_of(int file)
{
    struct bytes content = {.count = (size_t)lseek(file, 0, SEEK_END)};
    size_t done = 0;

    content.data = room(content.count);
    while (done < content.count) {
        const ssize_t got = pread(file, content.data + done, content.count - done, (off_t)done);

        assert_true(got > 0);
        done += (size_t)got;
    }
    close(file);
    return content;
}

int run_peer(const char *command, const char *oti, const char *repair, const struct bytes *input, struct bytes *output,
             char message[PEER_MESSAGE_BYTES])
{
    char *const arguments[] = {(char *)"raptorq_peer", (char *)command, (char *)oti, (char *)repair, NULL};
    const char *program = getenv("SYMWAVE_RAPTORQ_PEER");
    const int in = file_of(input), out = file_of(NULL), err = file_of(NULL);
    struct bytes text;
    int status = 0;
    pid_t child;

    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(in, STDIN_FILENO);
        dup2(out, STDOUT_FILENO);
        dup2(err, STDERR_FILENO);
        execv(program, arguments);
        perror(program);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    close(in);
    *output = content_of(out);
    text = content_of(err);
    snprintf(message, PEER_MESSAGE_BYTES, "%s", (const char *)text.data);
    free(text.data);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

struct bytes ask_peer(const char *command, const char *oti, const char *repair, const struct bytes *input)
{
    char message[PEER_MESSAGE_BYTES];
    struct bytes output;
    const int status = run_peer(command, oti, repair, input, &output, message);

    if (status != 0)
        fail_msg("%s %s: exit status %d: %s", command, oti, status, message);
    return output;
}
