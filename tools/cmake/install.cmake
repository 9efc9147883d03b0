# What `cmake --install` puts where: the library of every kind that was built, its headers, the CMake package (find_package(tally CONFIG)),
# tally.pc for pkg-config, the tool and its manual page. Included by CMakeLists.txt.
include(CMakePackageConfigHelpers)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/tally)
foreach(kind IN LISTS installed_kinds)
    install(TARGETS tally_${kind} EXPORT tally_${kind}
        RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT Runtime
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT Runtime NAMELINK_COMPONENT Development
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT Development)
    install(EXPORT tally_${kind} NAMESPACE tally:: FILE tally_${kind}.cmake DESTINATION ${package} COMPONENT Development)
endforeach()
foreach(header IN LISTS public_headers)
    get_filename_component(folder ${header} DIRECTORY)
    install(FILES ${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/tally/${folder} COMPONENT Development)
endforeach()
install(FILES ${PROJECT_BINARY_DIR}/include/tally/tally.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/tally
    COMPONENT Development)

configure_package_config_file(tools/cmake/tallyConfig.cmake.in tallyConfig.cmake INSTALL_DESTINATION ${package})
if(PROJECT_VERSION_MAJOR EQUAL 0)
    write_basic_package_version_file(tallyConfigVersion.cmake COMPATIBILITY SameMinorVersion)
else()
    write_basic_package_version_file(tallyConfigVersion.cmake COMPATIBILITY SameMajorVersion)
endif()
install(FILES ${PROJECT_BINARY_DIR}/tallyConfig.cmake ${PROJECT_BINARY_DIR}/tallyConfigVersion.cmake
    DESTINATION ${package} COMPONENT Development)

# The .pc file finds its prefix from where it lies, so that `cmake --install --prefix` and moving the tree keep it right.
set(pc_prefix ${CMAKE_INSTALL_PREFIX})
if(NOT IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
    file(RELATIVE_PATH up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
    string(REGEX REPLACE "/$" "" pc_prefix "\${pcfiledir}/${up}")
endif()
foreach(dir LIBDIR INCLUDEDIR)
    set(pc_${dir} ${CMAKE_INSTALL_${dir}})
    if(NOT IS_ABSOLUTE "${pc_${dir}}")
        set(pc_${dir} "\${prefix}/${pc_${dir}}")
    endif()
endforeach()
set(pc_private "-lpthread -lm") # what a static link needs besides; pkg-config gives it for --static
if(TALLY_BLAS)
    set(pc_private "-lopenblas ${pc_private}")
endif()
if(NOT "shared" IN_LIST installed_kinds)
    set(pc_libs " ${pc_private}")
endif()
configure_file(tools/cmake/tally.pc.in tally.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/tally.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT Development)

if(TARGET llama)
    install(TARGETS llama RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT Tools)
endif()
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT Development)
file(GLOB pages CONFIGURE_DEPENDS docs/*.1)
install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT Tools)
