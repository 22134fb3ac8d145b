# Makes the headers' comments those that Doxygen reads: one that opens a file is the file's, one at the end of a line is
# of what stands before it, and any other is of what follows. Comments inside of a function's arguments stay as they are.
NR == 1 && $0 == "/*" {
    print "/** @file"
    next
}
/^[ \t]*\/\*/ {
    sub(/\/\*/, "/**")
    print
    next
}
/[;,{] *\/\*/ {
    sub(/\/\*/, "/**<")
}
{ print }
