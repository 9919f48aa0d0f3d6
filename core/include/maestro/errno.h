/* SPDX-License-Identifier: MIT */
/*
 * Errors. Numbers are Linux's (asm-generic/errno.h as described in errno(3)).
 *
 * kerr_t is a status: 0 or a negative errno. It is made with KERR(EINVAL), tested with `if (err)`,
 * and turned into a number only by kerr_code(). One CI build makes it a pointer type, so that any
 * mixing with int, and any `err < 0`, fails to compile. Functions that return a count use ssize_t or
 * long: a count or -EINVAL.
 */
#pragma once

#include <maestro/types.h>

#ifdef MAESTRO_KERR_OPAQUE
typedef struct kerr_opaque *kerr_t;
#define KERR(e) ((kerr_t)(-(long)(e)))
#define kerr_code(err) ((int)(long)(err))
#else
typedef int kerr_t;
#define KERR(e) (-(e))
#define kerr_code(err) (err)
#endif
/* A status out of a count: 0 for n >= 0. */
#define kerr_of(n) ({ long kerr_n_ = (n); kerr_n_ < 0 ? KERR(-kerr_n_) : KERR(0); })

#define EPERM 1
#define ENOENT 2
#define ESRCH 3
#define EINTR 4
#define EIO 5
#define ENXIO 6
#define E2BIG 7
#define ENOEXEC 8
#define EBADF 9
#define ECHILD 10
#define EAGAIN 11
#define EWOULDBLOCK 11
#define ENOMEM 12
#define EACCES 13
#define EFAULT 14
#define ENOTBLK 15
#define EBUSY 16
#define EEXIST 17
#define EXDEV 18
#define ENODEV 19
#define ENOTDIR 20
#define EISDIR 21
#define EINVAL 22
#define ENFILE 23
#define EMFILE 24
#define ENOTTY 25
#define ETXTBSY 26
#define EFBIG 27
#define ENOSPC 28
#define ESPIPE 29
#define EROFS 30
#define EMLINK 31
#define EPIPE 32
#define EDOM 33
#define ERANGE 34
#define EDEADLK 35
#define ENAMETOOLONG 36
#define ENOLCK 37
#define ENOSYS 38
#define ENOTEMPTY 39
#define ELOOP 40
#define ENOMSG 42
#define EIDRM 43
#define EBADR 53
#define ENODATA 61
#define ETIME 62
#define EBADMSG 74
#define EOVERFLOW 75
#define EILSEQ 84
#define EUSERS 87
#define ENOTSOCK 88
#define EDESTADDRREQ 89
#define EMSGSIZE 90
#define EPROTOTYPE 91
#define ENOPROTOOPT 92
#define EPROTONOSUPPORT 93
#define ESOCKTNOSUPPORT 94
#define EOPNOTSUPP 95
#define EAFNOSUPPORT 97
#define EADDRINUSE 98
#define ECONNABORTED 103
#define ECONNRESET 104
#define ENOBUFS 105
#define EISCONN 106
#define ENOTCONN 107
#define ETOOMANYREFS 109
#define ETIMEDOUT 110
#define ECONNREFUSED 111
#define EALREADY 114
#define EINPROGRESS 115
#define ESTALE 116
#define EUCLEAN 117
#define EDQUOT 122
#define ENOKEY 126
#define ECANCELED 125
#define EOWNERDEAD 130
#define ENOTRECOVERABLE 131

/* Inside the kernel only; the way back to user mode turns them into a restart or EINTR (signal(7)). */
#define ERESTARTSYS 512
#define ERESTARTNOINTR 513
#define ERESTARTNOHAND 514
#define ENOIOCTLCMD 515
#define ERESTART_RESTARTBLOCK 516
