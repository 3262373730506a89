/* The floors: the least that any client must do, moving the same bytes over a socket without looking at them.
 *
 *     floor HOST PORT USER DATABASE WORK [ARGUMENTS]
 *
 *     copy SQL FILE [BEFORE]        COPY ... FROM STDIN of a file of ready CopyData frames; BEFORE (begin; ...) is sent first
 *     fetch SQL                     every column in binary, received and dropped
 *     query SQL COUNT               one prepared statement without parameters, COUNT times, each send awaited
 *     point SQL COUNT               one prepared statement of one int4 parameter (0, 1, 2 ...), COUNT times, each awaited
 *     pipeline SQL COUNT BATCHES    COUNT such executions and one Sync, BATCHES times
 *     batch SQL COUNT BATCHES       the same with the parameters int4 and text, after `truncate bench_insert`
 *
 * With FLOOR_WAIT=poll in the environment every receive waits in poll() first, as libpq does.
 *
 * Law of this file: POSIX sockets and nothing else, trust authentication only, messages are walked by their length words
 * and never read. Prints one JSON object: wall and CPU seconds of the work, peak memory, bytes received.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BLOCK (256 * 1024)

static int sock;
static int polls;
static char in[BLOCK];
static long long received;

/* What is known of the message under way: bytes of it still to come, and what was seen of its header. */
static uint32_t left;
static unsigned header_seen;
static unsigned char header[5];

static void die(const char *what)
{
    fprintf(stderr, "floor: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
    exit(1);
}

static void send_all(const char *data, size_t size)
{
    while (size) {
        ssize_t sent = send(sock, data, size, 0);
        if (sent < 0)
            die("send");
        data += sent;
        size -= (size_t)sent;
    }
}

static size_t receive(void)
{
    if (polls) {
        struct pollfd waiting = {.fd = sock, .events = POLLIN};
        if (poll(&waiting, 1, -1) < 0)
            die("poll");
    }
    ssize_t size = recv(sock, in, sizeof in, 0);
    if (size < 0)
        die("recv");
    if (size == 0) {
        errno = 0;
        die("the server closed the connection");
    }
    received += size;
    return (size_t)size;
}

/* Walks the messages in `size` received bytes; how many of them had the tag. An ErrorResponse is the end. */
static unsigned walk(size_t size, char tag)
{
    unsigned found = 0;
    size_t at = 0;
    while (at < size) {
        if (left) {
            size_t step = size - at < left ? size - at : left;
            at += step;
            left -= (uint32_t)step;
            continue;
        }
        if (header_seen == 0 && size - at >= 5) {
            memcpy(header, in + at, 5);
            at += 5;
        } else {
            header[header_seen++] = (unsigned char)in[at++];
            if (header_seen < 5)
                continue;
            header_seen = 0;
        }
        left = ((uint32_t)header[1] << 24 | (uint32_t)header[2] << 16 | (uint32_t)header[3] << 8 | header[4]) - 4;
        if (header[0] == 'E') {
            fprintf(stderr, "floor: the server's error: ");
            fwrite(in + at, 1, size - at < left ? size - at : left, stderr);
            fprintf(stderr, "\n");
            exit(1);
        }
        found += header[0] == (unsigned char)tag;
    }
    return found;
}

/* Receives and drops until a message of this tag has come whole. */
static void receive_until(char tag)
{
    for (;;)
        if (walk(receive(), tag) && !left && !header_seen)
            return;
}

/* ------------------------------------------------------------------------------------------------ messages */

typedef struct {
    char *data;
    size_t size, room;
} Buffer;

static void put(Buffer *out, const void *data, size_t size)
{
    if (out->size + size > out->room) {
        out->room = 2 * (out->size + size);
        out->data = realloc(out->data, out->room);
        if (!out->data)
            die("memory");
    }
    memcpy(out->data + out->size, data, size);
    out->size += size;
}

static void put_i32(Buffer *out, uint32_t value)
{
    unsigned char bytes[4] = {value >> 24, value >> 16, value >> 8, value};
    put(out, bytes, 4);
}

/* Begins a message; end_message() writes its length at the place this gives. */
static size_t begin_message(Buffer *out, char tag)
{
    put(out, &tag, 1);
    put_i32(out, 0);
    return out->size - 4;
}

static void end_message(Buffer *out, size_t at)
{
    uint32_t size = (uint32_t)(out->size - at);
    unsigned char bytes[4] = {size >> 24, size >> 16, size >> 8, size};
    memcpy(out->data + at, bytes, 4);
}

static void put_sync(Buffer *out)
{
    put(out, "S\0\0\0\4", 5);
}

/* Bind of the statement s with `count` binary parameters and binary results, and Execute. */
static void put_execution(Buffer *out, uint32_t number, int with_text)
{
    size_t at = begin_message(out, 'B');
    put(out, "\0s\0\0\1\0\1", 7);
    put(out, with_text ? "\0\2" : "\0\1", 2);
    put_i32(out, 4);
    put_i32(out, number);
    if (with_text) {
        char text[32];
        int size = snprintf(text, sizeof text, "row %u", number);
        put_i32(out, (uint32_t)size);
        put(out, text, (size_t)size);
    }
    put(out, "\0\1\0\1", 4);
    end_message(out, at);
    put(out, "E\0\0\0\x9\0\0\0\0\0", 10);
}

static void simple(const char *sql)
{
    Buffer out = {0};
    size_t at = begin_message(&out, 'Q');
    put(&out, sql, strlen(sql) + 1);
    end_message(&out, at);
    send_all(out.data, out.size);
    free(out.data);
}

/* Parse of `sql` under `name`, awaited. */
static void prepare(const char *name, const char *sql)
{
    Buffer out = {0};
    size_t at = begin_message(&out, 'P');
    put(&out, name, strlen(name) + 1);
    put(&out, sql, strlen(sql) + 1);
    put(&out, "\0\0", 2);
    end_message(&out, at);
    put_sync(&out);
    send_all(out.data, out.size);
    free(out.data);
    receive_until('Z');
}

static void open_connection(const char *host, const char *port, const char *user, const char *database)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    if (getaddrinfo(host, port, &hints, &found))
        die("getaddrinfo");
    sock = socket(found->ai_family, SOCK_STREAM, 0);
    if (sock < 0 || connect(sock, found->ai_addr, found->ai_addrlen))
        die("connect");
    freeaddrinfo(found);
    int on = 1;
    setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Buffer out = {0};
    put_i32(&out, 0);
    put_i32(&out, 196608);
    put(&out, "user", 5);
    put(&out, user, strlen(user) + 1);
    put(&out, "database", 9);
    put(&out, database, strlen(database) + 1);
    put(&out, "", 1);
    end_message(&out, 0);
    send_all(out.data, out.size);
    free(out.data);
    receive_until('Z');
}

/* ------------------------------------------------------------------------------------------------ works */

static void copy(const char *sql, const char *path, const char *before)
{
    if (before) {
        simple(before);
        receive_until('Z');
    }
    simple(sql);
    receive_until('G');
    int file = open(path, O_RDONLY);
    if (file < 0)
        die(path);
    static char block[BLOCK];
    ssize_t size;
    while ((size = read(file, block, sizeof block)) > 0)
        send_all(block, (size_t)size);
    if (size < 0)
        die(path);
    close(file);
    send_all("c\0\0\0\4", 5);
    receive_until('Z');
    if (before) {
        simple("commit");
        receive_until('Z');
    }
}

static void fetch(const char *sql)
{
    Buffer out = {0};
    size_t at = begin_message(&out, 'P');
    put(&out, "", 1);
    put(&out, sql, strlen(sql) + 1);
    put(&out, "\0\0", 2);
    end_message(&out, at);
    put(&out, "B\0\0\0\x0e\0\0\0\0\0\0\0\1\0\1", 15);
    put(&out, "E\0\0\0\x9\0\0\0\0\0", 10);
    put_sync(&out);
    send_all(out.data, out.size);
    free(out.data);
    receive_until('Z');
}

/* One execution after the other, each in one send, its answer awaited. */
static void one_by_one(long count, int parameter)
{
    Buffer out = {0};
    for (long i = 0; i < count; i++) {
        out.size = 0;
        if (parameter)
            put_execution(&out, (uint32_t)(i % 1000), 0);
        else {
            put(&out, "B\0\0\0\x0f\0s\0\0\0\0\0\0\1\0\1", 16);
            put(&out, "E\0\0\0\x9\0\0\0\0\0", 10);
        }
        put_sync(&out);
        send_all(out.data, out.size);
        receive_until('Z');
    }
    free(out.data);
}

/* `count` executions behind one Sync; what has come is received whenever the socket takes no more. */
static void together(long count, long batches, int with_text)
{
    Buffer out = {0};
    for (long batch = 0; batch < batches; batch++) {
        out.size = 0;
        for (long i = 0; i < count; i++)
            put_execution(&out, (uint32_t)i, with_text);
        put_sync(&out);
        size_t at = 0;
        int ready = 0;
        while (at < out.size) {
            ssize_t sent = send(sock, out.data + at, out.size - at, MSG_DONTWAIT);
            if (sent > 0) {
                at += (size_t)sent;
                continue;
            }
            if (errno != EAGAIN && errno != EWOULDBLOCK)
                die("send");
            struct pollfd waiting = {.fd = sock, .events = POLLIN | POLLOUT};
            if (poll(&waiting, 1, -1) < 0)
                die("poll");
            if (waiting.revents & POLLIN)
                ready = walk(receive(), 'Z') && !left;
        }
        if (!ready)
            receive_until('Z');
    }
    free(out.data);
}

static double cpu_s(const struct rusage *used)
{
    return (double)used->ru_utime.tv_sec + (double)used->ru_stime.tv_sec +
           1e-6 * ((double)used->ru_utime.tv_usec + (double)used->ru_stime.tv_usec);
}

/* Peak memory of this process in megabytes. Linux lets ru_maxrss live on over exec, so that it would be the parent's. */
static double peak_mb(void)
{
    FILE *status = fopen("/proc/self/status", "r");
    char line[256];
    long kib;
    while (status && fgets(line, sizeof line, status))
        if (sscanf(line, "VmHWM: %ld", &kib) == 1) {
            fclose(status);
            return (double)kib * 1024 / 1e6;
        }
    if (status)
        fclose(status);
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
#ifdef __APPLE__
    return (double)used.ru_maxrss / 1e6;
#else
    return (double)used.ru_maxrss * 1024 / 1e6;
#endif
}

int main(int argc, char **argv)
{
    if (argc < 7) {
        fprintf(stderr, "usage: floor HOST PORT USER DATABASE WORK SQL [ARGUMENTS]\n");
        return 2;
    }
    const char *work = argv[5], *sql = argv[6];
    const char *wait = getenv("FLOOR_WAIT");
    polls = wait && !strcmp(wait, "poll");
    long count = argc > 7 ? atol(argv[7]) : 1, batches = argc > 8 ? atol(argv[8]) : 1;
    open_connection(argv[1], argv[2], argv[3], argv[4]);
    int is_batch = !strcmp(work, "batch");
    if (is_batch) {
        simple("truncate bench_insert");
        receive_until('Z');
    }
    if (is_batch || !strcmp(work, "query") || !strcmp(work, "point") || !strcmp(work, "pipeline"))
        prepare("s", sql);
    received = 0;
    double peak = peak_mb();
    struct timespec start, end;
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    clock_gettime(CLOCK_MONOTONIC, &start);
    if (!strcmp(work, "copy") && argc > 7)
        copy(sql, argv[7], argc > 8 ? argv[8] : NULL);
    else if (!strcmp(work, "fetch"))
        fetch(sql);
    else if (!strcmp(work, "query"))
        one_by_one(count, 0);
    else if (!strcmp(work, "point"))
        one_by_one(count, 1);
    else if (!strcmp(work, "pipeline"))
        together(count, batches, 0);
    else if (is_batch)
        together(count, batches, 1);
    else {
        errno = 0;
        die("no such work, or too few arguments");
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    getrusage(RUSAGE_SELF, &after);
    double wall = (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec);
    double grown = peak_mb();
    printf("{\"wall_s\": %.6f, \"cpu_s\": %.6f, \"peak_mb\": %.3f, \"growth_mb\": %.3f, \"received\": %lld}\n", wall,
           cpu_s(&after) - cpu_s(&before), grown, grown - peak, received);
    return 0;
}
