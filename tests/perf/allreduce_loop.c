/* What a C program measures: MPI_Allreduce in a plain loop, with nothing in between. A shared library, so that the
 * loop runs in the processes, over the library and between the buffers of what it is compared with. */
#include <mpi.h>

static double loop(const float *send, float *receive, int count, long calls, MPI_Comm comm) {
    double start = MPI_Wtime();
    for (long call = 0; call < calls; call++) MPI_Allreduce(send, receive, count, MPI_FLOAT, MPI_SUM, comm);
    return MPI_Wtime() - start;
}

/* Seconds of so many calls between all ranks. */
double allreduce_loop(const float *send, float *receive, int count, long calls) {
    return loop(send, receive, count, calls, MPI_COMM_WORLD);
}

/* Seconds of so many calls in a world of one: what a call costs in C. */
double allreduce_alone(const float *send, float *receive, int count, long calls) {
    return loop(send, receive, count, calls, MPI_COMM_SELF);
}
