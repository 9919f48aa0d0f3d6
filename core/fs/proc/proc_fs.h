/* SPDX-License-Identifier: MIT */
/*
 * procfs: private contract (proc(5)). A node is either from a static tree (struct pnode) or stands for a process or one of its things. An inode's key is
 * (node, pid, number): nothing of a process is kept between calls, each looks it up again, so a dead process leaves nothing behind.
 */
#pragma once

#include <maestro/proc.h>
#include <maestro/vfs.h>

struct pctx { /* what a show function is about */
	struct task *task; /* referenced; NULL outside /proc/PID */
	struct proc *proc; /* its process */
	int number;	   /* fd for fdinfo; what a struct pnode_list calls the entry */
	char *arg;	   /* text written, for write functions */
};
struct pnode;
/* A directory whose entries come and go, each known by a number >= 0, which all below it inherit (c->number). Any context that may sleep. */
struct pnode_list {
	const struct pnode *entry; /* what each is */
	int (*next)(struct pctx *c, int after, char *name, size_t size); /* the smallest number above `after`, and its name; -1: there is none */
};
struct pnode {
	const char *name;
	mode_t mode;
	/* Exactly one of these, by mode: */
	void (*show)(struct seq_buf *s, struct pctx *c);	    /* regular: its text */
	kerr_t (*follow)(struct pctx *c, struct path *out);	    /* link to an object; with readlink through path_text */
	kerr_t (*target)(struct pctx *c, char *buf);		    /* link by text */
	const struct pnode *children;				    /* directory: ends with a NULL name */
	const struct pnode_list *list;				    /* directory, besides its children */
	const struct file_ops *fops;				    /* special file */
	/* Takes what was written (c->arg, NUL-terminated); NULL: read-only. */
	kerr_t (*write)(struct seq_buf *unused, struct pctx *c);
	u32 flags;
	bool (*present)(struct pctx *c); /* is it there at the moment? NULL: always */
};
enum { PN_PTRACE = 1 /* only who may trace it */, PN_LIST_FDS = 2, PN_LIST_FDINFO = 4, PN_LIST_TASKS = 8, PN_THREAD = 16 /* thread, not process */ };

struct proc_inode {
	const struct pnode *node;
	pid_t pid;	 /* 0: not of a process */
	ktime_t start;	 /* of that task, against reuse of the number */
	int number;	 /* fd, or of a list; -1 none */
	struct inode vfs;
};
static inline struct proc_inode *proc_i(struct inode *i)
{
	return container_of(i, struct proc_inode, vfs);
}

/* file.priv of an open text file. */
struct proc_text {
	struct mutex mutex;  /* RANK_PROC_TEXT: pread(2) comes without file.pos_mutex */
	struct seq_buf text; /* [mutex] */
	u32 seen;	     /* [file.lock] mounts: the event that its reader was told of */
};

extern const struct pnode proc_root_nodes[], proc_pid_nodes[], proc_task_nodes[], proc_sys_nodes[], proc_net_nodes[], proc_sys_net_nodes[];
extern const struct file_ops proc_text_fops, proc_mem_fops, proc_mounts_fops, proc_kmsg_fops;

/* --- special.c --- */
kerr_t proc_mounts_open(struct inode *inode, struct file *f);
u32 proc_mounts_poll(struct file *f, struct poll_table *pt);
void proc_show_mounts(struct seq_buf *s, struct pctx *c);
void proc_show_mountinfo(struct seq_buf *s, struct pctx *c);

/* --- maps.c --- */
void proc_show_maps(struct seq_buf *s, struct pctx *c);
void proc_show_smaps(struct seq_buf *s, struct pctx *c);
void proc_show_smaps_rollup(struct seq_buf *s, struct pctx *c);
extern const struct file_ops proc_pagemap_fops;

/* --- sysvipc.c --- */
/* At most n decimal numbers up to max, blanks between them; those that are not there keep their values. KERR(EINVAL). */
kerr_t proc_parse_numbers(const char *text, u64 max, u64 *out, unsigned n) __must_check;
extern const struct pnode proc_sysvipc_nodes[];
#define PROC_VALUE(field)                                        \
	void proc_show_##field(struct seq_buf *s, struct pctx *c); \
	kerr_t proc_write_##field(struct seq_buf *unused, struct pctx *c) __must_check
PROC_VALUE(shm_max);
PROC_VALUE(shm_all);
PROC_VALUE(shm_mni);
PROC_VALUE(msg_max);
PROC_VALUE(msg_mnb);
PROC_VALUE(msg_mni);
PROC_VALUE(shm_rmid_forced);
PROC_VALUE(sem_limits);
#define PROC_VALUE_NODE(file, field) {.name = file, .mode = S_IFREG | 0644, .show = proc_show_##field, .write = proc_write_##field}

/* Fills a super with a tree of nodes; sysfs uses it too. */
kerr_t pnode_fill_super(struct super *sb, const struct pnode *top, u64 magic) __must_check;
/* The task behind the inode, referenced (c->task, c->proc filled); KERR(ESRCH) if it is gone. */
kerr_t proc_ctx_get(struct inode *inode, struct pctx *c) __must_check;
void proc_ctx_put(struct pctx *c);
/* May current look into t (ptrace's read check)? */
bool proc_may_look(struct task *t);
/* An address space to look at, with a reference for users (mm_put_user), or NULL: kernel thread or exiting. */
struct mm *proc_task_mm(struct task *t);
/* File number n of t, referenced, or NULL. */
/* The first open number >= n of t, or -1. */
int proc_task_next_fd(struct task *t, int n);
kerr_t proc_parse_u32(const char *text, u32 *out) __must_check; /* a decimal number, white space around it */
kerr_t proc_write_u32(const char *text, u32 min, u32 max, u32 *word) __must_check; /* KERR(EINVAL): no number, or out of range */
/* A word of kernel()->room as a file, which takes what lies from min to max. */
#define PROC_WORD(room, field, min, max)                                    \
	static void show_##field(struct seq_buf *s, struct pctx *c)             \
	{                                                                       \
		(void)c;                                                            \
		seq_printf(s, "%u\n", load_relaxed(&kernel()->room.field));         \
	}                                                                       \
	static kerr_t write_##field(struct seq_buf *unused, struct pctx *c)     \
	{                                                                       \
		(void)unused;                                                       \
		return proc_write_u32(c->arg, (min), (max), &kernel()->room.field); \
	}
#define PROC_WORD_NODE(field) {.name = #field, .mode = S_IFREG | 0644, .show = show_##field, .write = write_##field}
char proc_state_letter(const struct task *t);
