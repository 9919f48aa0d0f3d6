/* SPDX-License-Identifier: MIT */
/*
 * Arguments and environment of execve(2): gathered from the old program's memory in one pass into page-sized chunks, stored into the new one's stack when
 * the total is known. Limits as execve(2), "Limits on size of arguments and environment".
 */
#include <maestro/lib.h>
#include <maestro/slab.h>
#include <maestro/uaccess.h>

#include "exec_priv.h"

#define MAX_STRING (32 * PAGE_SIZE)
#define CHUNK_DATA (PAGE_SIZE - sizeof(void *))
struct arg_chunk {
	struct arg_chunk *next;
	char data[CHUNK_DATA];
};

static kerr_t new_chunk(struct exec_args *a)
{
	struct arg_chunk *c = kmalloc(sizeof(*c), GFP_KERNEL);

	if (!c)
		return KERR(ENOMEM);
	c->next = NULL;
	if (a->last)
		a->last->next = c;
	else
		a->first = c;
	a->last = c;
	a->fill = 0;
	return KERR(0);
}

/* Counts one more string that starts where the next byte goes. */
static kerr_t new_string(struct exec_args *a)
{
	if (a->bytes + (a->count + 1) * sizeof(void *) > a->limit)
		return KERR(E2BIG);
	if (a->count == a->cap) {
		unsigned cap = a->cap ? 2 * a->cap : 64;
		u32 *o = krealloc(a->offset, cap * sizeof(*o), GFP_KERNEL);

		if (!o)
			return KERR(ENOMEM);
		a->offset = o;
		a->cap = cap;
	}
	a->offset[a->count++] = (u32)a->bytes;
	return KERR(0);
}

static kerr_t need_room(struct exec_args *a)
{
	if (!a->last || a->fill == CHUNK_DATA)
		return new_chunk(a);
	return KERR(0);
}

kerr_t exec_args_kernel(struct exec_args *a, const char *s)
{
	size_t left = strlen(s) + 1;
	kerr_t err = new_string(a);

	while (!err && left) {
		size_t n;

		err = need_room(a);
		if (err)
			break;
		n = MIN(left, CHUNK_DATA - a->fill);
		memcpy(a->last->data + a->fill, s, n);
		a->fill += n;
		a->bytes += n;
		s += n;
		left -= n;
	}
	return err;
}

static kerr_t user_string(struct exec_args *a, const char __user *s)
{
	size_t start = a->bytes;
	kerr_t err = new_string(a);

	while (!err) {
		size_t room;
		ssize_t n;

		err = need_room(a);
		if (err)
			break;
		room = CHUNK_DATA - a->fill;
		n = hal_strncpy_from_user(a->last->data + a->fill, s, room);
		if (n < 0)
			return KERR(EFAULT);
		if ((size_t)n < room) { /* the NUL is in */
			a->fill += (size_t)n + 1;
			a->bytes += (size_t)n + 1;
			if (a->bytes - start > MAX_STRING || a->bytes + a->count * sizeof(void *) > a->limit)
				return KERR(E2BIG);
			return KERR(0);
		}
		a->fill += room;
		a->bytes += room;
		s += room;
		if (a->bytes - start > MAX_STRING || a->bytes > a->limit)
			return KERR(E2BIG);
	}
	return err;
}

kerr_t exec_args_vector(struct exec_args *a, struct exec_strings v, unsigned *n)
{
	unsigned added = 0;

	for (unsigned i = 0;; i++) {
		kerr_t err;

		if (v.kern) {
			if (!v.kern[i])
				break;
			err = exec_args_kernel(a, v.kern[i]);
		} else {
			const char __user *s = NULL;

			if (v.user && copy_in(&s, (const char __user *const __user *)v.user + i))
				return KERR(EFAULT);
			if (!s)
				break;
			err = user_string(a, s);
		}
		if (err)
			return err;
		added++;
		if ((i & 1023) == 1023) {
			cond_resched();
			if (task_signal_pending_state(TASK_KILLABLE))
				return KERR(EINTR);
		}
	}
	*n = added;
	return KERR(0);
}

kerr_t exec_args_store(const struct exec_args *a, size_t skip, struct mm *mm, uaddr_t addr)
{
	for (struct arg_chunk *c = a->first; c; c = c->next) {
		size_t n = c == a->last ? a->fill : CHUNK_DATA, from = MIN(skip, n);

		skip -= from;
		n -= from;
		if (n && mm_access(mm, addr, c->data + from, n, true) != (ssize_t)n)
			return KERR(EFAULT);
		addr += n;
	}
	return KERR(0);
}

void exec_args_free(struct exec_args *a)
{
	struct arg_chunk *c = a->first, *next;

	for (; c; c = next) {
		next = c->next;
		kfree(c);
	}
	kfree(a->offset);
}
