/* SPDX-License-Identifier: MIT */
/*
 * The system call tracer: one log line a call, in strace's form, for tasks with TASK_TRACE_SYSCALLS (boot line trace=, inherited by
 * children). Arguments are formatted at entry, while the program's strings are as it passed them; the line is written at exit, and at
 * entry for calls that do not return. Also the account of calls that do not exist.
 */
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/printk.h>
#include <maestro/slab.h>
#include <maestro/syscall_table.h>
#include <maestro/uaccess.h>
#include <maestro/vfs.h>

#define TRACE_LINE 512
#define TRACE_STRING 64

struct trace_line {
	size_t len;
	char text[TRACE_LINE];
};

static void trace_add(struct trace_line *l, const char *fmt, ...) __printf(2, 3);
static void trace_add(struct trace_line *l, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = kvsnprintf(l->text + l->len, TRACE_LINE - l->len, fmt, ap);
	va_end(ap);
	l->len = MIN(l->len + (size_t)n, (size_t)TRACE_LINE - 1);
}

static void trace_string(struct trace_line *l, uaddr_t addr)
{
	char buf[TRACE_STRING];
	ssize_t n = hal_strncpy_from_user(buf, (const char __user *)addr, sizeof(buf));
	size_t len;

	if (n < 0) {
		trace_add(l, "%#lx", addr);
		return;
	}
	len = MIN((size_t)n, sizeof(buf));
	trace_add(l, "\"");
	for (size_t i = 0; i < len; i++) {
		u8 c = (u8)buf[i];

		if (c == '\n')
			trace_add(l, "\\n");
		else if (c == '"' || c == '\\')
			trace_add(l, "\\%c", c);
		else if (c < ' ' || c >= 0x7f)
			trace_add(l, "\\%o", c);
		else
			trace_add(l, "%c", c);
	}
	trace_add(l, len == sizeof(buf) ? "\"..." : "\"");
}

static void trace_open_flags(struct trace_line *l, unsigned flags)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = {{O_CREAT, "O_CREAT"},	 {O_EXCL, "O_EXCL"},		 {O_NOCTTY, "O_NOCTTY"},     {O_TRUNC, "O_TRUNC"},
		     {O_APPEND, "O_APPEND"},	 {O_NONBLOCK, "O_NONBLOCK"},	 {O_DIRECT, "O_DIRECT"},     {O_LARGEFILE, "O_LARGEFILE"},
		     {O_DIRECTORY, "O_DIRECTORY"}, {O_NOFOLLOW, "O_NOFOLLOW"},	 {O_NOATIME, "O_NOATIME"},   {O_CLOEXEC, "O_CLOEXEC"},
		     {O_PATH, "O_PATH"}};
	static const char *const modes[] = {"O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"};

	trace_add(l, "%s", modes[flags & O_ACCMODE]);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (flags & names[i].bit)
			trace_add(l, "|%s", names[i].name);
}

static void trace_arg(struct trace_line *l, char kind, unsigned long v)
{
	switch (kind) {
	case 'D':
		if ((int)v == AT_FDCWD) {
			trace_add(l, "AT_FDCWD");
			break;
		}
		fallthrough;
	case 'd':
	case 'S':
		trace_add(l, "%d", (int)v);
		break;
	case 'l':
		trace_add(l, "%ld", (long)v);
		break;
	case 'u':
		trace_add(l, "%u", (unsigned)v);
		break;
	case 'z':
		trace_add(l, "%lu", v);
		break;
	case 'o':
		trace_add(l, "0%lo", v);
		break;
	case 's':
		trace_string(l, v);
		break;
	case 'O':
		trace_open_flags(l, (unsigned)v);
		break;
	case 'p':
		if (!v) {
			trace_add(l, "NULL");
			break;
		}
		fallthrough;
	default:
		trace_add(l, "%#lx", v);
	}
}

static void trace_format(struct trace_line *l, const struct hal_regs *r, unsigned nr)
{
	const struct task *t = hal_current();

	trace_add(l, "%s[%d] ", t->comm, t->tid);
	if (nr >= syscall_count || !syscall_table[nr].name) {
		trace_add(l, "syscall_%u(", nr);
		return;
	}
	trace_add(l, "%s(", syscall_table[nr].name);
	for (unsigned i = 0, reg = 0; syscall_table[nr].args[i]; i++) {
		char kind = syscall_table[nr].args[i];

		if (i)
			trace_add(l, ", ");
		if ((kind == 'L' && sizeof(long) == 4) || kind == 'P') {
			u64 v = sizeof(long) == 4 ? (u64)ARG(reg) | (u64)ARG(reg + 1) << 32 : (u64)ARG(reg);

			trace_add(l, "%lld", (long long)v);
			reg += 2;
		} else {
			trace_arg(l, kind == 'L' ? 'l' : kind, (unsigned long)ARG(reg));
			reg++;
		}
	}
}

void syscall_trace_enter(struct hal_regs *regs, unsigned nr)
{
	struct task *t = hal_current();
	struct trace_line *l = kmalloc(sizeof(*l), GFP_KERNEL);

	t->trace_line = l;
	if (!l)
		return;
	l->len = 0;
	trace_format(l, regs, nr);
	/* Calls that never come back show themselves now. */
	if (nr < syscall_count && syscall_table[nr].name && !strncmp(syscall_table[nr].name, "exit", 4)) {
		klog(LOG_INFO, "%s) = ?", l->text);
		t->trace_line = NULL;
		kfree(l);
	}
}

void syscall_trace_exit(struct hal_regs *regs, unsigned nr, long ret)
{
	struct task *t = hal_current();
	struct trace_line *l = t->trace_line;

	(void)regs;
	(void)nr;
	t->trace_line = NULL;
	if (!l)
		return;
	if (ret < 0 && ret >= -4095)
		klog(LOG_INFO, "%s) = -1 (errno %ld)", l->text, -ret);
	else
		klog(LOG_INFO, "%s) = %#lx", l->text, ret);
	kfree(l);
}

long syscall_missing(unsigned nr)
{
	if (nr < SYSCALL_MISSING_MAX && atomic_add_return(&kernel()->syscall.missing[nr], 1) == 1) {
		const char *name = nr < syscall_count && syscall_table[nr].name ? syscall_table[nr].name : "unknown";

		klog(LOG_INFO, "system call %u (%s) is not implemented; first asked for by %s[%d]", nr, name, hal_current()->comm, hal_current()->tid);
	}
	return -ENOSYS;
}

long sys_ni_syscall(void)
{
	return -ENOSYS;
}
