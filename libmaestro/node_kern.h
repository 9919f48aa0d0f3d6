/* SPDX-License-Identifier: MIT */
/* Nodes and open files of maestro.h: what the node_*_kern.c share. */
#pragma once

#include <maestro/cred.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/proc.h>
#include <maestro/slab.h>
#include <maestro/uaccess.h>
#include <maestro/vfs.h>

#include "hosted_kern.h"
#include "lib_kern.h"

#define NODE_BUCKETS 4096u
#define READY_CREDS 8u

struct maestro_node {
	struct hlist_node hash; /* [mutex] */
	struct path path;	/* [c] */
	u64 count;		/* [mutex] lookups not yet forgotten */
	struct maestro_file *own; /* [a] maestro_node_file()'s, or NULL */
};
struct maestro_file {
	struct list node; /* [mutex] */
	struct file *file; /* [c] */
	struct maestro_file *older; /* [mutex] of a node's own: what was its file before */
};
struct ready_cred {
	const struct cred *cred; /* NULL: free */
	u32 uid, gid;
	bool privileged;
};
struct lib_nodes {
	struct mutex mutex;
	struct hlist hash[NODE_BUCKETS];
	struct list files;
	struct ready_cred ready[READY_CREDS];
	unsigned next_ready;
};

/* --- node_kern.c; all but the enter functions: inside --- */
struct lib_nodes *node_state(void);
/* Enters the instance; 0 or -errno. End with hosted_leave(). */
int node_enter(struct maestro *k);
/* Enters as who; *saved is for node_leave_as(). */
int node_enter_as(struct maestro *k, const struct maestro_caller *who, const struct cred **saved);
void node_leave_as(const struct cred *saved);
/* The calling task acts with c from now on; returns what it had. References move with the pointers. */
const struct cred *node_exchange_cred(const struct cred *c);
/* The node of p's object, one lookup more. Consumes the reference to p, also on error. */
kerr_t node_of(struct path *p, struct maestro_node **out) __must_check;

/* --- node_file_kern.c; inside --- */
void node_file_close(struct maestro_file *f);

/* --- node_through_kern.c; inside --- */
/* Whether n bytes at buf are in whole pages of maestro_buffer_alloc()'s, and worth to be written from there; then *out. */
bool node_buffer_seg(const struct hosted *h, const void *buf, size_t n, struct page_seg *out);

/* The value of expr, a kerr_t computed inside the instance k (as who), as a code; or the code that entering gave. */
#define NODE_CALL(k, expr)                               \
	({                                               \
		int code_ = node_enter(k);               \
                                                         \
		if (!code_) {                            \
			code_ = kerr_code(expr);         \
			hosted_leave();                  \
		}                                        \
		code_;                                   \
	})
#define NODE_CALL_AS(k, who, expr)                       \
	({                                               \
		const struct cred *saved_;               \
		int code_ = node_enter_as(k, who, &saved_); \
                                                         \
		if (!code_) {                            \
			code_ = kerr_code(expr);         \
			node_leave_as(saved_);           \
		}                                        \
		code_;                                   \
	})
