/* SPDX-License-Identifier: MIT */
/* i386 only: socketcall(2), one number for all socket calls, with their arguments as an array of words. */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include <maestro/lib.h>
#include <maestro/uaccess.h>

enum { CALL_SOCKET = 1, CALL_BIND, CALL_CONNECT, CALL_LISTEN, CALL_ACCEPT, CALL_GETSOCKNAME, CALL_GETPEERNAME, CALL_SOCKETPAIR, CALL_SEND, CALL_RECV,
       CALL_SENDTO, CALL_RECVFROM, CALL_SHUTDOWN, CALL_SETSOCKOPT, CALL_GETSOCKOPT, CALL_SENDMSG, CALL_RECVMSG, CALL_ACCEPT4, CALL_RECVMMSG,
       CALL_SENDMMSG, CALL_END };

#define PTR(n) ((void __user *)(uintptr_t)a[n])
#define INT(n) ((int)a[n])

long sys_socketcall(int call, const void __user *args)
{
	static const u8 words[CALL_END] = { 0, 3, 3, 3, 2, 3, 3, 3, 4, 4, 4, 6, 6, 2, 5, 5, 3, 3, 4, 5, 4 };
	u32 a[6];

	if (call < CALL_SOCKET || call >= CALL_END)
		return -EINVAL;
	if (copy_from_user(a, args, words[call] * sizeof(a[0])))
		return -EFAULT;
	switch (call) {
	case CALL_SOCKET:
		return sys_socket(INT(0), INT(1), INT(2));
	case CALL_BIND:
		return sys_bind(INT(0), PTR(1), INT(2));
	case CALL_CONNECT:
		return sys_connect(INT(0), PTR(1), INT(2));
	case CALL_LISTEN:
		return sys_listen(INT(0), INT(1));
	case CALL_ACCEPT:
		return sys_accept4(INT(0), PTR(1), PTR(2), 0);
	case CALL_GETSOCKNAME:
		return sys_getsockname(INT(0), PTR(1), PTR(2));
	case CALL_GETPEERNAME:
		return sys_getpeername(INT(0), PTR(1), PTR(2));
	case CALL_SOCKETPAIR:
		return sys_socketpair(INT(0), INT(1), INT(2), PTR(3));
	case CALL_SEND:
		return sys_sendto(INT(0), PTR(1), a[2], a[3], NULL, 0);
	case CALL_RECV:
		return sys_recvfrom(INT(0), PTR(1), a[2], a[3], NULL, NULL);
	case CALL_SENDTO:
		return sys_sendto(INT(0), PTR(1), a[2], a[3], PTR(4), INT(5));
	case CALL_RECVFROM:
		return sys_recvfrom(INT(0), PTR(1), a[2], a[3], PTR(4), PTR(5));
	case CALL_SHUTDOWN:
		return sys_shutdown(INT(0), INT(1));
	case CALL_SETSOCKOPT:
		return sys_setsockopt(INT(0), INT(1), INT(2), PTR(3), INT(4));
	case CALL_GETSOCKOPT:
		return sys_getsockopt(INT(0), INT(1), INT(2), PTR(3), PTR(4));
	case CALL_SENDMSG:
		return sys_sendmsg(INT(0), PTR(1), a[2]);
	case CALL_RECVMSG:
		return sys_recvmsg(INT(0), PTR(1), a[2]);
	case CALL_ACCEPT4:
		return sys_accept4(INT(0), PTR(1), PTR(2), INT(3));
	case CALL_RECVMMSG:
		return sys_recvmmsg(INT(0), PTR(1), a[2], a[3], PTR(4));
	default:
		return sys_sendmmsg(INT(0), PTR(1), a[2], a[3]);
	}
}
