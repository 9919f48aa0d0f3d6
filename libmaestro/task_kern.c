/* SPDX-License-Identifier: MIT */
/* Tasks besides those of threads: processes of the instance that a thread can be for a while. Their list is in struct kernel_host. */
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/slab.h>

#include "hosted_kern.h"
#include "lib_kern.h"

struct maestro_task {
	void *task;
	struct maestro_task *next; /* [kernel_host.tasks_mutex] */
};

int maestro_task_create(struct maestro *k, struct maestro_task **out)
{
	struct kernel_host *kh = k->h.kern;
	struct maestro_task *t;
	int err = hosted_enter(&k->h);

	if (err)
		return err;
	t = kzalloc(sizeof(*t), GFP_KERNEL);
	err = t ? hosted_task_new(&t->task) : -ENOMEM;
	if (err) {
		kfree(t);
		hosted_leave();
		return err;
	}
	mutex_lock(&kh->tasks_mutex);
	t->next = kh->tasks;
	kh->tasks = t;
	mutex_unlock(&kh->tasks_mutex);
	hosted_leave();
	*out = t;
	return 0;
}

int maestro_task_switch(struct maestro *k, struct maestro_task *t)
{
	int err = hosted_enter(&k->h); /* a thread that never was inside has no task to come back to */

	if (err)
		return err;
	hosted_leave();
	return hosted_task_switch(&k->h, t ? t->task : NULL);
}

/* Inside. */
static void unlist(struct kernel_host *kh, const struct maestro_task *t)
{
	mutex_lock(&kh->tasks_mutex);
	for (struct maestro_task **p = &kh->tasks; *p; p = &(*p)->next)
		if (*p == t) {
			*p = t->next;
			break;
		}
	mutex_unlock(&kh->tasks_mutex);
}

int maestro_task_destroy(struct maestro *k, struct maestro_task *t)
{
	int err;

	if (!t)
		return 0;
	err = maestro_task_switch(k, t);
	if (!err)
		err = hosted_enter(&k->h);
	if (err)
		return err;
	unlist(k->h.kern, t);
	kfree(t);
	hosted_task_end();
	return 0;
}

void lib_tasks_release(struct maestro *k)
{
	struct kernel_host *kh = k->h.kern;

	(void)maestro_task_switch(k, NULL);
	while (kh->tasks && !maestro_task_destroy(k, kh->tasks))
		;
}
