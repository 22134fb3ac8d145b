/*
 * What the machine does without Symwave: a file over TCP connections of loopback into another file, unchecked.
 *
 *     bench_raw FILE OUT CONNECTIONS THREADS WAY
 *
 * CONNECTIONS processes send a share of FILE each by sendfile; one process receives them all, by THREADS threads, each
 * of which has its part of the connections, and writes each share to its place in OUT. WAY is how bytes get there:
 * "pwrite", read from the socket into one buffer of 256 KiB, or "splice", through a pipe. OUT's room is reserved first,
 * which is the faster way. Prints "NAME=NUMBER" for each figure.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 256
#define BUFFER_BYTES    ((size_t)256 << 10)

struct share {
    int listener, socket;
    pid_t sender;
    uint64_t at, end; /* in both files */
};

static struct share shares[CONNECTIONS_MAX];
static int share_count, thread_count, out_fd;
static bool by_splice;

static void die(const char *what)
{
    fprintf(stderr, "bench_raw: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* Serves one connection with one share, and ends. */
static void send_share(const char *path, struct share *share)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    int peer = accept(share->listener, NULL, NULL);
    off_t at = (off_t)share->at;
    if (file < 0 || peer < 0)
        die(path);
    while ((uint64_t)at < share->end)
        if (sendfile(peer, file, &at, share->end - (uint64_t)at) <= 0)
            die("sendfile");
    exit(0);
}

static void start_sender(const char *path, struct share *share)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    share->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(share->listener, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(share->listener, 1) != 0 ||
        getsockname(share->listener, (struct sockaddr *)&address, &length) != 0)
        die("listen");
    share->sender = fork();
    if (share->sender < 0)
        die("fork");
    if (share->sender == 0)
        send_share(path, share);
    share->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(share->socket, (struct sockaddr *)&address, sizeof(address)) != 0)
        die("connect");
}

/* ---- receiving ---- */

static ssize_t take_by_splice(struct share *share, const int pipe_fds[2])
{
    ssize_t count = splice(share->socket, NULL, pipe_fds[1], NULL, BUFFER_BYTES, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    off_t at = (off_t)share->at;
    for (ssize_t left = count; left > 0;) {
        ssize_t moved = splice(pipe_fds[0], NULL, out_fd, &at, (size_t)left, SPLICE_F_MOVE);
        if (moved <= 0)
            die("splice to the file");
        left -= moved;
    }
    return count;
}

static ssize_t take_by_pwrite(struct share *share, char *buffer)
{
    ssize_t count = recv(share->socket, buffer, BUFFER_BYTES, MSG_DONTWAIT);
    if (count > 0 && pwrite(out_fd, buffer, (size_t)count, (off_t)share->at) != count)
        die("pwrite");
    return count;
}

static void *receive(void *arg)
{
    int first = *(int *)arg, pipe_fds[2], left = 0;
    struct pollfd polled[CONNECTIONS_MAX];
    struct share *mine[CONNECTIONS_MAX];
    char *buffer = malloc(BUFFER_BYTES);
    if (!buffer || pipe2(pipe_fds, O_CLOEXEC) != 0 || fcntl(pipe_fds[1], F_SETPIPE_SZ, BUFFER_BYTES) < 0)
        die("pipe");
    for (int i = first; i < share_count; i += thread_count) {
        mine[left] = &shares[i];
        polled[left++] = (struct pollfd){.fd = shares[i].socket, .events = POLLIN};
    }
    int all = left;
    while (left > 0) {
        if (poll(polled, (nfds_t)all, -1) < 0)
            die("poll");
        for (int i = 0; i < all; i++) {
            if (!polled[i].revents)
                continue;
            ssize_t count = by_splice ? take_by_splice(mine[i], pipe_fds) : take_by_pwrite(mine[i], buffer);
            if (count < 0 && errno != EAGAIN)
                die("receive");
            if (count > 0)
                mine[i]->at += (uint64_t)count;
            if (count == 0 || mine[i]->at == mine[i]->end) {
                polled[i].fd = -1;
                left--;
            }
        }
    }
    free(buffer);
    return NULL;
}

static double cpu_of(int who)
{
    struct rusage usage;
    getrusage(who, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void check_complete(void)
{
    for (int i = 0; i < share_count; i++) {
        int status;
        if (shares[i].at != shares[i].end || waitpid(shares[i].sender, &status, 0) < 0 || status != 0) {
            fprintf(stderr, "bench_raw: a connection ended early\n");
            exit(1);
        }
    }
}

int main(int argc, char **argv)
{
    struct stat facts;
    struct rusage usage;
    if (argc != 6 || (share_count = atoi(argv[3])) < 1 || share_count > CONNECTIONS_MAX ||
        (thread_count = atoi(argv[4])) < 1 || thread_count > share_count) {
        fprintf(stderr, "usage: bench_raw FILE OUT CONNECTIONS THREADS pwrite|splice\n");
        return 2;
    }
    by_splice = strcmp(argv[5], "splice") == 0;
    if (stat(argv[1], &facts) != 0)
        die(argv[1]);
    uint64_t bytes = (uint64_t)facts.st_size;
    for (int i = 0; i < share_count; i++) {
        shares[i].at = bytes * (uint64_t)i / (uint64_t)share_count;
        shares[i].end = bytes * (uint64_t)(i + 1) / (uint64_t)share_count;
    }
    double start = now();
    out_fd = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (out_fd < 0)
        die(argv[2]);
    if (posix_fallocate(out_fd, 0, (off_t)bytes) != 0)
        die(argv[2]);
    for (int i = 0; i < share_count; i++)
        start_sender(argv[1], &shares[i]);
    pthread_t threads[CONNECTIONS_MAX];
    int firsts[CONNECTIONS_MAX];
    for (int i = 0; i < thread_count; i++) {
        firsts[i] = i;
        if (pthread_create(&threads[i], NULL, receive, &firsts[i]) != 0)
            die("thread");
    }
    for (int i = 0; i < thread_count; i++)
        pthread_join(threads[i], NULL);
    if (close(out_fd) != 0)
        die(argv[2]);
    double seconds = now() - start;
    check_complete();
    getrusage(RUSAGE_SELF, &usage);
    printf("mb_per_s=%.1f client_cpu_s_per_gb=%.3f server_cpu_s_per_gb=%.3f client_peak_mib=%.1f\n",
           (double)bytes / seconds / 1e6, cpu_of(RUSAGE_SELF) / (double)bytes * 1e9,
           cpu_of(RUSAGE_CHILDREN) / (double)bytes * 1e9, (double)usage.ru_maxrss / 1024);
    return 0;
}
