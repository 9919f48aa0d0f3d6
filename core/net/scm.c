/* SPDX-License-Identifier: MIT */
/*
 * Control messages of AF_UNIX: descriptors and credentials (unix(7), cmsg(3)).
 *
 * A sender's files are referenced here; that they are in a message is counted by unix_gc.c when the message takes them over.
 */
#include "net_priv.h"

enum { SCM_RIGHTS = 1, SCM_CREDENTIALS = 2 };
struct ucred {
	s32 pid;
	u32 uid, gid;
};
#define CMSG_ALIGN(n) ALIGN_UP((size_t)(n), sizeof(long))
#define CMSG_HEAD sizeof(struct abi_cmsghdr)
_Static_assert(CMSG_HEAD % sizeof(long) == 0, "cmsg(3): data follow at once");

void scm_files_put(struct scm_files *f)
{
	for (unsigned i = 0; i < f->count; i++)
		file_put(f->file[i]);
	kfree(f);
}

kerr_t scm_files_dup(const struct scm_files *f, struct scm_files **out)
{
	struct scm_files *copy = kmalloc(sizeof(*copy) + f->count * sizeof(copy->file[0]), GFP_KERNEL);

	if (!copy)
		return KERR(ENOMEM);
	copy->next = NULL;
	copy->user = NULL;
	copy->count = f->count;
	for (unsigned i = 0; i < f->count; i++)
		copy->file[i] = file_get(f->file[i]);
	*out = copy;
	return 0;
}

/* ---------------------------------------------------------------- sending */
/* More files may come in a second message: the list grows. */
static kerr_t take_files(const u8 *data, size_t len, struct scm_files **files)
{
	unsigned n = (unsigned)(len / sizeof(s32)), had = *files ? (*files)->count : 0;
	struct scm_files *f;

	if (!n)
		return 0;
	if (n > SCM_MAX_FD || n + had > SCM_MAX_FD)
		return KERR(EINVAL);
	f = krealloc(*files, sizeof(*f) + (had + n) * sizeof(f->file[0]), GFP_KERNEL);
	if (!f)
		return KERR(ENOMEM);
	f->next = NULL;
	f->user = NULL;
	f->count = had;
	*files = f;
	for (unsigned i = 0; i < n; i++) {
		s32 fd;
		struct file *file;

		memcpy(&fd, data + i * sizeof(fd), sizeof(fd));
		file = fd_get_any(fd);
		if (!file)
			return KERR(EBADF);
		f->file[f->count++] = file;
	}
	return 0;
}

static kerr_t take_cred(const u8 *data, size_t len, struct scm *out)
{
	const struct cred *c = current_cred();
	struct proc *p;
	struct ucred u;

	if (len != sizeof(u))
		return KERR(EINVAL);
	memcpy(&u, data, sizeof(u));
	if (u.uid == (u32)-1 || u.gid == (u32)-1)
		return KERR(EINVAL);
	if (u.pid != current->proc->pid && !capable(CAP_SYS_ADMIN))
		return KERR(EPERM);
	if (u.uid != c->uid && u.uid != c->euid && u.uid != c->suid && !capable(CAP_SETUID))
		return KERR(EPERM);
	if (u.gid != c->gid && u.gid != c->egid && u.gid != c->sgid && !capable(CAP_SETGID))
		return KERR(EPERM);
	if (u.pid != current->proc->pid) {
		p = proc_find(u.pid);
		if (!p)
			return KERR(ESRCH);
		proc_put(p);
	}
	out->pid = u.pid;
	out->uid = u.uid;
	out->gid = u.gid;
	return 0;
}

static kerr_t take_one(const struct abi_cmsghdr *c, const u8 *data, struct scm *out)
{
	size_t len = (size_t)c->len - CMSG_HEAD;

	if (c->level != SOL_SOCKET)
		return 0;
	if (c->type == SCM_RIGHTS)
		return take_files(data, len, &out->files);
	return c->type == SCM_CREDENTIALS ? take_cred(data, len, out) : KERR(EINVAL);
}

kerr_t scm_send(const struct socket_msg *m, struct scm *out)
{
	size_t at = 0;
	kerr_t err = 0;

	*out = (struct scm) { .uid = (uid_t)-1, .gid = (gid_t)-1 };
	while (!err && m->controllen >= CMSG_HEAD && at <= m->controllen - CMSG_HEAD) {
		struct abi_cmsghdr c;

		memcpy(&c, m->control_in + at, sizeof(c));
		if (c.len < CMSG_HEAD || c.len > m->controllen - at)
			err = KERR(EINVAL);
		else
			err = take_one(&c, m->control_in + at + CMSG_HEAD, out);
		at += CMSG_ALIGN(c.len);
	}
	if (out->files && (err || !out->files->count)) {
		scm_files_put(out->files);
		out->files = NULL;
	}
	return err;
}

/* ---------------------------------------------------------------- receiving */
static void control_used(struct socket_msg *m, size_t n)
{
	n = MIN(n, m->controllen);
	m->control_out += n;
	m->controllen -= n;
}

static kerr_t put_head(struct socket_msg *m, int level, int type, size_t len)
{
	struct abi_cmsghdr c = { .len = CMSG_HEAD + len, .level = level, .type = type };

	return copy_out(m->control_out, &c);
}

void scm_put_cmsg(struct socket_msg *m, int level, int type, const void *data, size_t len)
{
	size_t fits;

	if (!m->control_out || m->controllen < CMSG_HEAD) {
		m->report |= MSG_CTRUNC;
		return;
	}
	fits = MIN(len, m->controllen - CMSG_HEAD);
	if (fits < len)
		m->report |= MSG_CTRUNC;
	if (put_head(m, level, type, fits) || copy_to_user(m->control_out + CMSG_HEAD, data, fits))
		return; /* as Linux: nothing was said */
	control_used(m, CMSG_ALIGN(CMSG_HEAD + len));
}

/* A descriptor for f in the program's array. */
static kerr_t give_file(struct file *f, u32 flags, s32 __user *to)
{
	int fd;
	kerr_t err = fd_reserve(flags, &fd);

	if (err)
		return err;
	err = put_user((s32)fd, to);
	if (err)
		fd_unreserve(fd);
	else
		fd_fill(fd, file_get(f));
	return err;
}

static void give_files(struct socket_msg *m, const struct scm_files *files)
{
	size_t room = m->controllen > CMSG_HEAD ? (m->controllen - CMSG_HEAD) / sizeof(s32) : 0;
	unsigned n = (unsigned)MIN(room, (size_t)files->count), done = 0;
	s32 __user *to = (void __user *)(m->control_out + CMSG_HEAD);

	while (done < n && !give_file(files->file[done], m->flags & MSG_CMSG_CLOEXEC ? O_CLOEXEC : 0, to + done))
		done++;
	if (done && !put_head(m, SOL_SOCKET, SCM_RIGHTS, done * sizeof(s32)))
		control_used(m, CMSG_ALIGN(CMSG_HEAD + done * sizeof(s32)));
	if (done < files->count)
		m->report |= MSG_CTRUNC;
}

void scm_receive(const struct socket *s, struct socket_msg *m, struct scm *scm)
{
	bool want_cred = load_relaxed(&s->flags) & SOCKET_PASSCRED;

	if (!m->control_out) {
		if (want_cred || scm->files)
			m->report |= MSG_CTRUNC;
	} else {
		if (want_cred) {
			struct ucred u = { scm->pid, scm->uid == (uid_t)-1 ? 65534 : scm->uid, scm->gid == (gid_t)-1 ? 65534 : scm->gid };

			scm_put_cmsg(m, SOL_SOCKET, SCM_CREDENTIALS, &u, sizeof(u));
		}
		if (scm->files)
			give_files(m, scm->files);
	}
	if (scm->files)
		scm_files_put(scm->files);
	scm->files = NULL;
}
