/* Results, errors, and what every other header needs. */
#ifndef BECK_TYPES_H
#define BECK_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32) && defined(BECK_SHARED)
#ifdef BECK_LIBRARY
#define BECK_API __declspec(dllexport)
#else
#define BECK_API __declspec(dllimport)
#endif
#elif defined(__GNUC__)
#define BECK_API __attribute__((visibility("default")))
#else
#define BECK_API
#endif

/* Every result: name, number, text. Numbers are part of the ABI and never change. */
#define BECK_RESULTS(X)                                                                                                          \
	X(BECK_OK, 0, "fine")                                                                                                    \
	X(BECK_EARG, 1, "an argument is not acceptable; nothing was sent")                                                       \
	X(BECK_ENOMEM, 2, "out of memory")                                                                                       \
	X(BECK_ESTATE, 3, "not possible in this state, for instance a second user on a connected client")                        \
	X(BECK_ENOUSER, 4, "no user was connected while the call waited")                                                        \
	X(BECK_ECALLBACK, 5, "a blocking call inside a callback")                                                                \
	X(BECK_ETIMEOUT, 6, "no answer in time")                                                                                 \
	X(BECK_ENETWORK, 7, "the server cannot be reached, or the connection broke")                                             \
	X(BECK_ETLS, 8, "the server's certificate was not accepted, or TLS failed otherwise")                                    \
	X(BECK_EPROTOCOL, 9, "the answer is not what a server of this kind says")                                                \
	X(BECK_EAPI, 10, "the server refused; beck_error has its code, status and message")                                      \
	X(BECK_ETOKEN, 11, "no usable token: the provider failed, or the token cannot be read")                                  \
	X(BECK_ECANCELLED, 12, "the user was disconnected or the client released meanwhile")                                     \
	X(BECK_EFULL, 13, "too much is waiting already")                                                                         \
	X(BECK_ETOOBIG, 14, "larger than the API allows")                                                                        \
	X(BECK_EFILE, 15, "a file cannot be read or written")

typedef enum beck_result {
#define BECK_RESULT_ENUM(name, number, text) name = number,
	BECK_RESULTS(BECK_RESULT_ENUM)
#undef BECK_RESULT_ENUM
} beck_result;

/* What went wrong, in full. Set by a failing call; a successful one leaves it alone. 512 bytes, no pointers. */
typedef struct beck_error {
	int32_t result;         /* a beck_result */
	int32_t code;           /* the server's error code (BECK_EAPI), else 0 */
	int32_t status;         /* the HTTP status, 0 when there was none */
	int32_t retry_after_ms; /* the server's wish, 0 when it has none */
	uint8_t is_retryable;   /* the same call may succeed later */
	uint8_t reserved[15];
	char field[96];    /* the field that the server or a check found wrong, "" when none */
	char message[376]; /* one line for people */
	uint64_t reserved_end;
} beck_error;

/* "BECK_ETIMEOUT"; "BECK_?" for an unknown number. Static. */
BECK_API const char *beck_result_name(int result);
/* The text from the list above. Static. */
BECK_API const char *beck_result_text(int result);

/* Where the library's memory comes from. `ctx` is passed back. All three must be given and may be called on any thread. */
typedef struct beck_allocator {
	void *(*alloc)(void *ctx, size_t size);
	void *(*resize)(void *ctx, void *old, size_t size); /* old may be NULL; on failure old stays */
	void (*release)(void *ctx, void *p);                /* p may be NULL */
	void *ctx;
	void *reserved[4];
} beck_allocator;

/* Makes all memory of the library itself come from here; libcurl keeps its own (curl_global_init_mem). For the whole
 * process, to be called before any other function of the library; NULL means malloc again.
 * BECK_ESTATE when something is allocated already, BECK_EARG when a function is missing. */
BECK_API beck_result beck_set_allocator(const beck_allocator *allocator);

/* Frees a string that a function of the library said is the caller's to free. NULL is fine. */
BECK_API void beck_free(void *p);

/* "0.1.0". Static. The version of the library that runs, which may be newer than the headers. */
BECK_API const char *beck_version(void);

#ifdef __cplusplus
}
#endif
#endif
