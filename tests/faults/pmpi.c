/* Faults between a rank and its MPI library, through the profiling interface (MPI 4.1, chapter 15): loaded with
 * LD_PRELOAD. The rank numbered FAULT_RANK
 *   sleeps FAULT_SLEEP microseconds before each all-reduce,
 *   flips one bit of the result of its all-reduce number FAULT_FLIP and of those after it,
 *   or, with FAULT_ABSENT, never joins the others. */
#include <mpi.h>
#include <stdlib.h>
#include <unistd.h>

static long number(const char *name) { return getenv(name) ? atol(getenv(name)) : -1; }

int MPI_Init_thread(int *argc, char ***argv, int required, int *provided) {
    while (number("FAULT_ABSENT") > 0 && number("PMI_RANK") == number("FAULT_RANK")) pause();
    return PMPI_Init_thread(argc, argv, required, provided);
}

static int before(MPI_Comm comm) {
    int rank;
    PMPI_Comm_rank(comm, &rank);
    int here = rank == number("FAULT_RANK");
    if (here && number("FAULT_SLEEP") > 0) usleep(number("FAULT_SLEEP"));
    return here;
}

static void after(void *result) {
    static long calls;
    if (number("FAULT_FLIP") > 0 && ++calls >= number("FAULT_FLIP")) *(char *)result ^= 1;
}

/* mpi4py counts in MPI_Count where the library can, others in int. */
#define ALLREDUCE(name, Number)                                                                            \
    int name(const void *send, void *receive, Number count, MPI_Datatype type, MPI_Op op, MPI_Comm comm) { \
        int here = before(comm);                                                                           \
        int error = P##name(send, receive, count, type, op, comm);                                         \
        if (here) after(receive);                                                                          \
        return error;                                                                                      \
    }

ALLREDUCE(MPI_Allreduce, int)
ALLREDUCE(MPI_Allreduce_c, MPI_Count)
