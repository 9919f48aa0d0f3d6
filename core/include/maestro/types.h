/* SPDX-License-Identifier: MIT */
/* Scalar types of the core. No libc header is ever included by it. */
#pragma once

#include <maestro/compiler.h>

typedef __UINT8_TYPE__ u8;
typedef __UINT16_TYPE__ u16;
typedef __UINT32_TYPE__ u32;
typedef __UINT64_TYPE__ u64;
typedef __INT8_TYPE__ s8;
typedef __INT16_TYPE__ s16;
typedef __INT32_TYPE__ s32;
typedef __INT64_TYPE__ s64;
typedef __SIZE_TYPE__ size_t;
typedef __PTRDIFF_TYPE__ ssize_t;
typedef __PTRDIFF_TYPE__ ptrdiff_t;
typedef __UINTPTR_TYPE__ uintptr_t;
typedef _Bool bool;
#define true 1
#define false 0
#define NULL ((void *)0)

typedef __builtin_va_list va_list;
#define va_start(ap, last) __builtin_va_start(ap, last)
#define va_arg(ap, type) __builtin_va_arg(ap, type)
#define va_copy(dst, src) __builtin_va_copy(dst, src)
#define va_end(ap) __builtin_va_end(ap)

typedef u64 paddr_t;	   /* a physical address, bytes */
typedef unsigned long uaddr_t; /* an address in a program's space, bytes */
typedef unsigned long pfn_t;   /* a physical page frame number */
typedef unsigned long pgoff_t; /* an offset in a file, pages */
typedef s64 loff_t;	   /* an offset in a file, bytes */
typedef u64 sector_t;	   /* an offset on a disk, 512-byte sectors */
typedef s64 ktime_t;	   /* nanoseconds */
typedef u32 mode_t;	   /* S_IF* and permission bits */
typedef u32 dev_t;	   /* DEV(major, minor): 12 bits of major, 20 of minor */
typedef u64 ino_t;
typedef s32 pid_t;
typedef u32 uid_t;
typedef u32 gid_t;

#define S32_MAX 0x7fffffff
#define U32_MAX 0xffffffffU
#define S64_MAX 0x7fffffffffffffffLL
#define U64_MAX 0xffffffffffffffffULL
#define LONG_MAX __LONG_MAX__
#define ULONG_MAX (__LONG_MAX__ * 2UL + 1)
#define SIZE_MAX __SIZE_MAX__
#define SSIZE_MAX __PTRDIFF_MAX__

#define PAGE_SHIFT 12
#define PAGE_SIZE 4096UL
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define PATH_MAX 4096
#define NAME_MAX 255

#define NSEC_PER_SEC 1000000000LL
#define NSEC_PER_MSEC 1000000LL
#define NSEC_PER_USEC 1000LL

#define DEV(major, minor) (((dev_t)(major) << 20) | (minor))
#define DEV_MAJOR(d) ((d) >> 20)
#define DEV_MINOR(d) ((d) & 0xfffff)
