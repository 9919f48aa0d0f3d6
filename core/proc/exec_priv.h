/* SPDX-License-Identifier: MIT */
/* The pieces of execve(2): exec.c leads, exec_args.c gathers strings, exec_elf.c builds the new space. */
#pragma once

#include <abi/exec.h>
#include <maestro/mm.h>
#include <maestro/proc.h>
#include <maestro/vfs.h>

#define EXEC_HEAD 256	   /* bytes of a file that tell its kind (BINPRM_BUF_SIZE) */
#define EXEC_MAX_DEPTH 5   /* scripts run by scripts */
#define EXEC_MAX_PREFIX (2 * EXEC_MAX_DEPTH + 1) /* a script's name, then interpreter and argument per level */

/* Strings of the new program in the order they will lie in its memory: arguments, environment, the file's name. */
struct arg_chunk;
struct exec_args {
	struct arg_chunk *first, *last;
	size_t fill;	/* bytes used in the last chunk */
	size_t bytes;	/* of all strings, NULs included */
	size_t limit;	/* of bytes and pointers together */
	u32 *offset;	/* where each string begins */
	unsigned count, cap;
};
kerr_t exec_args_kernel(struct exec_args *a, const char *s) __must_check;
/* A whole vector; *n is how many were added. KERR(E2BIG), KERR(EFAULT), KERR(ENOMEM). */
kerr_t exec_args_vector(struct exec_args *a, struct exec_strings v, unsigned *n) __must_check;
/* Writes the strings, without their first `skip` bytes, to mm at addr. */
kerr_t exec_args_store(const struct exec_args *a, size_t skip, struct mm *mm, uaddr_t addr) __must_check;
void exec_args_free(struct exec_args *a);

struct exec {
	struct file *file;	/* the program: for a script, its interpreter */
	char *name;		/* as the caller gave it (AT_EXECFN) */
	bool unreachable;	/* name will be gone when a script's interpreter opens it */
	/* what scripts put in argv[0]'s place; the last one added comes first */
	char *prefix[EXEC_MAX_PREFIX];
	unsigned nprefix, depth;
	struct exec_args pre;	/* these as strings */
	struct exec_args args;	/* argv, envp, name */
	unsigned argc, envc;	/* of args */
	pid_t old_tid;		/* of current, before it took its leader's */
	struct cred *cred;
	bool secure;
	struct mm *mm;
	/* exec_elf.c fills these */
	struct abi_elf_ehdr ehdr;
	uaddr_t entry, program_entry, base, phdr, load_bias;
	union {
		u8 head[EXEC_HEAD];
		struct abi_elf_ehdr head_ehdr;
	};
};
/* Opens for execution: checks type, permission, noexec; denies writers (ETXTBSY) until exe_file_put(). */
kerr_t exec_open(int dirfd, const char *name, unsigned lookup, struct file **out) __must_check;

/* Loads x->file into a new x->mm, with stack and everything. KERR(ENOEXEC): not ours, or broken. */
kerr_t exec_elf_load(struct exec *x, uaddr_t *sp) __must_check;
